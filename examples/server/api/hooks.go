package api

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/portal/wire"
	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/webhook"
)

// hookRoutes manage the webhooks of an account, and take reports of leaked keys.
type hookRoutes struct{ *server }

// keyEvents are the kinds of events that webhooks hear of.
var keyEvents = []string{"key.created", "key.updated", "key.rotated", "key.revoked", "key.expiring", "key.leaked"}

// A hookAnswer is an endpoint of an account and how it fares.
type hookAnswer struct {
	ID        string   `json:"id"`
	URL       string   `json:"url"`
	Events    []string `json:"events"` // empty: all
	Secret    string   `json:"secret,omitempty"`
	Created   string   `json:"created_at"`
	Pending   int      `json:"pending"`
	Dead      int      `json:"dead"`
	Dropped   int      `json:"dropped"`
	Failures  int      `json:"failures"`
	Error     string   `json:"last_error,omitempty"`
	Failed    string   `json:"failed_at,omitempty"`
	Delivered string   `json:"delivered_at,omitempty"`
	Gone      string   `json:"gone_at,omitempty"`
}

func renderHook(e webhook.Endpoint) hookAnswer {
	return hookAnswer{
		ID: e.ID, URL: e.URL, Events: append([]string{}, e.Kinds...), Created: wire.FormatTime(e.Created),
		Pending: e.Pending, Dead: e.Dead, Dropped: e.Dropped, Failures: e.Failures, Error: e.Error,
		Failed: wire.FormatTime(e.Failed), Delivered: wire.FormatTime(e.Delivered), Gone: wire.FormatTime(e.Gone),
	}
}

func (s hookRoutes) listHooks(w http.ResponseWriter, r *http.Request) {
	p, _ := caller(r)
	list, err := s.hooks.List(r.Context(), p.Account) // at most 20
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.respond(w, r, http.StatusOK, wire.NewPage(list, len(list), nil, renderHook)) // of one page
}

// addHook makes an endpoint and shows its secret this once.
func (s hookRoutes) addHook(w http.ResponseWriter, r *http.Request) {
	var body struct {
		URL    string   `json:"url"`
		Events []string `json:"events"` // none: all
	}
	if err := wire.Decode(w, r, &body); err != nil {
		s.fail(w, r, err)
		return
	}
	if slices.ContainsFunc(body.Events, func(k string) bool { return !slices.Contains(keyEvents, k) }) {
		s.fail(w, r, invalid(http.StatusBadRequest, "invalid_field", "events must be some of "+strings.Join(keyEvents, ", ")+"."))
		return
	}
	if s.redacted(body.URL) != body.URL {
		s.fail(w, r, invalid(http.StatusBadRequest, "invalid_url", "url holds a key or a token."))
		return
	}
	if hostOf(body.URL) == unknownPlace {
		s.fail(w, r, invalid(http.StatusBadRequest, "invalid_url", "url must be an absolute URL with a host that can be written down."))
		return
	}
	p, _ := caller(r)
	e, secret, err := s.hooks.Add(r.Context(), p.Account, body.URL, body.Events, s.now())
	switch {
	case errors.Is(err, webhook.ErrInvalid):
		err = invalid(http.StatusBadRequest, "invalid_url", strings.TrimPrefix(err.Error(), webhook.ErrInvalid.Error()+": ")+".")
	case errors.Is(err, webhook.ErrQuota):
		err = invalid(http.StatusConflict, "too_many_webhooks", "An account has 20 webhooks at most.")
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.record(r, "webhook.added", e.ID, hostOf(e.URL))
	answer := renderHook(e)
	answer.Secret = secret
	s.reveal(w, r, http.StatusCreated, answer)
}

func (s hookRoutes) removeHook(w http.ResponseWriter, r *http.Request) {
	p, _ := caller(r)
	err := s.hooks.Remove(r.Context(), p.Account, r.PathValue("id"))
	if errors.Is(err, webhook.ErrNotFound) {
		err = store.ErrNotFound
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.record(r, "webhook.removed", r.PathValue("id"), "")
	w.WriteHeader(http.StatusNoContent)
}

const unknownPlace = "unknown place"

// hostOf is what records have of a URL, whose rest may be a secret. In the host
// %ff is a byte, which is no text.
func hostOf(text string) string {
	u, err := url.Parse(text)
	if err != nil || !wire.Printable(u.Hostname(), 1, 253) {
		return unknownPlace
	}
	return u.Hostname()
}

// leakedReason begins the reason for which a leaked key is revoked.
const leakedReason = "leaked: "

func (s hookRoutes) reportLeaks(w http.ResponseWriter, r *http.Request) { s.leaks.ServeHTTP(w, r) }

// leaked ends a key that somebody has found where everybody can read it, and
// tells its account. known says whether there is such a key, dead or alive:
// only a reporter whose signature has been verified hears that. Doing it again
// changes nothing, so that a report can be handled twice. Tokens of
// sessions, which are short-lived and seldom pasted anywhere, are not known
// here.
func (s *server) leaked(ctx context.Context, token, url, source string) (known bool, err error) {
	key, err := s.keys.Lookup(ctx, token)
	switch {
	case errors.Is(err, authn.ErrRejected):
		return false, nil
	case err != nil:
		return false, err
	}
	if key.Revoked.IsZero() {
		if err := s.keys.Revoke(ctx, authn.Operator(key.Account), key.ID, leakedReason+hostOf(url), s.now()); err != nil {
			return true, err
		}
		if key, err = s.KeyAdmin().Get(ctx, key.Account, key.ID); err != nil {
			return true, err
		}
	}
	// Events under ids that follow from the revocation: written once, even if
	// the process dies between it and them.
	e := store.Event{Account: key.Account, Actor: "secret scanning", Subject: key.ID, Note: key.Reason}
	if strings.HasPrefix(key.Reason, leakedReason) {
		e.ID, e.Kind = eventID(key.Revoked, "key.revoked", key.ID), "key.revoked"
		if err := s.gate.Record(ctx, e); err != nil {
			return true, err
		}
	}
	e.ID, e.Kind = eventID(key.Revoked, "key.leaked", key.ID), "key.leaked"
	e.Note = "found at " + hostOf(url)
	if wire.Printable(source, 1, 64) {
		e.Note += " (" + source + ")"
	}
	return true, s.gate.Record(ctx, e)
}

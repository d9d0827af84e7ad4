package api

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/webhook"
)

// record writes down what a request has done to an account. It runs after the change,
// which stands whether or not it can be told of.
func (s *server) record(r *http.Request, kind, subject, note string) {
	p, _ := caller(r)
	s.gate.Record(r.Context(), s.actor(r).event(p.Account, kind, subject, note))
}

// An actor is the user, key or operator that does something, and from where.
type actor struct{ id, address string }

func (s *server) actor(r *http.Request) actor {
	p, _ := caller(r)
	a := actor{p.User, shown(s.gate.ClientAddr(r))}
	if a.id == "" {
		a.id = p.ID
	}
	return a
}

func (a actor) event(account, kind, subject, note string) store.Event {
	return store.Event{Account: account, Actor: a.id, Kind: kind, Subject: subject, Address: a.address, Note: note}
}

// shown is an address as records have it; nothing, where there is none.
func shown(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// tellHooks queues an event for the webhooks of its account, if it is about a key. Doing
// it again with the same event does nothing more.
func (s *server) tellHooks(ctx context.Context, e store.Event) error {
	if !strings.HasPrefix(e.Kind, "key.") {
		return nil
	}
	told := keyEvent{KeyID: e.Subject, Actor: e.Actor, Note: e.Note}
	key, err := s.KeyAdmin().Get(ctx, e.Account, e.Subject)
	switch {
	case err == nil:
		told.Name, told.Hint, told.Environment = key.Name, key.Hint, key.Environment
		if !key.Expires.IsZero() {
			told.ExpiresAt = key.Expires.Format(time.RFC3339)
		}
	case !errors.Is(err, store.ErrNotFound): // that: it is about many, or about one long gone
		return err
	}
	return s.hooks.Enqueue(ctx, e.Account, webhook.Event{ID: e.ID, Kind: e.Kind, At: e.At, Data: told})
}

// A keyEvent is what a webhook is told of a key. There is no secret in it.
type keyEvent struct {
	KeyID       string `json:"key_id"`
	Name        string `json:"name,omitempty"`
	Hint        string `json:"hint,omitempty"`
	Environment string `json:"environment,omitempty"`
	ExpiresAt   string `json:"expires_at,omitempty"`
	Actor       string `json:"actor"`
	Note        string `json:"note,omitempty"`
}

// redacted returns a text that people wrote, without the keys, or large parts of keys, that
// they pasted into it, as in "found mt_live_… in a public repository".
func (s *server) redacted(text string) string {
	return s.gate.Redact(strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", ""), "")) // else Postgres would not take it
}

// eventID returns the same id for the same event, however often it is found. The id sorts by
// the time at; the rest of it is a digest of what happened.
func eventID(at time.Time, what ...string) string {
	const stamp = len("evt_") + 10 // 10 characters of 5 bits hold the 48 of the time
	sum := sha256.Sum256([]byte(strings.Join(what, "\x00")))
	return keyfmt.NewID("evt_", at)[:stamp] + base32.HexEncoding.EncodeToString(sum[:10])
}

package main

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/store"
)

// update changes what the body names of a key.
func (s *keyRoutes) update(w http.ResponseWriter, r *http.Request) {
	by, _ := caller(r)
	var body keyChange
	if err := decode(w, r, &body); err != nil {
		s.fail(w, r, err)
		return
	}
	key, err := s.keys.Get(r.Context(), &by, r.PathValue("id"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	change, names, err := s.change(r.Context(), &by, key, body)
	if err == nil && len(names) > 0 {
		if key, err = s.keys.Update(r.Context(), &by, key.ID, change, s.now()); err == nil {
			s.record(r, "key.updated", key.ID, strings.Join(names, ", "))
		}
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.respond(w, r, http.StatusOK, s.show(key))
}

// change is what a body changes about a key as it has been read, and the names
// of that.
func (s *keyRoutes) change(ctx context.Context, by *authn.Principal, key store.Key, body keyChange) (c apikey.Change, names []string, err error) {
	set := func(name string, given bool, read func() error) {
		if given && err == nil {
			names, err = append(names, name), read()
		}
	}
	g := key.Grant
	set("name", body.Name != nil, func() error {
		c.Name = body.Name
		return s.checkKeyName(*body.Name)
	})
	set("permissions", body.Permissions != nil, func() error {
		c.Was, c.Grant = &key.Grant, &g
		return s.permit(&g, body.Permissions)
	})
	set("scope", body.Scope.given, func() error {
		c.Was, c.Grant = &key.Grant, &g
		return s.limit(&g, body.Scope.value, s.endpoints())
	})
	set("expires_at", body.ExpiresAt.given, func() (err error) {
		c.Expires = new(time.Time)
		if text := body.ExpiresAt.value; text != nil {
			*c.Expires, err = future(*text, s.now())
		}
		return err
	})
	set("addresses", body.Addresses.given, func() (err error) {
		c.Addresses = new([]netip.Prefix)
		if texts := body.Addresses.value; texts != nil {
			*c.Addresses, err = networks(*texts)
		}
		return err
	})
	set("enabled", body.Enabled != nil, func() error {
		c.Disabled = new(bool)
		*c.Disabled = !*body.Enabled
		return nil
	})
	if body.Scope.given && err == nil { // else the projects are those that it has, even if some are gone
		err = s.mayGive(ctx, by, &g, key.Environment)
	}
	return c, names, err
}

// quotaReached names the quota of live keys.
func quotaReached(err error) error {
	var e *apikey.QuotaError
	if !errors.As(err, &e) {
		return err
	}
	return invalid(http.StatusConflict, "quota_reached", "The account has "+strconv.Itoa(e.Quota)+
		" API keys that are not revoked or expired, the most that an account may have: revoke one first.")
}

// rotationFailed names the key that stands in the way of a rotation.
func rotationFailed(err error) error {
	if rotated, ok := errors.AsType[*apikey.RotatedError](err); ok {
		return invalid(http.StatusConflict, "rotated_before", "The key has been rotated already. Its successor is "+rotated.Successor+": rotate or revoke that one.")
	}
	if before, ok := errors.AsType[*apikey.PredecessorError](err); ok {
		return invalid(http.StatusConflict, "rotated_before", "The key "+before.Predecessor+", which was rotated before, still works: revoke it, wait for its end, or rotate with grace_seconds 0.")
	}
	if errors.Is(err, store.ErrConflict) {
		return errRotated
	}
	return err
}

// revoke ends a key for ever. Doing it again is no error and no event.
func (s *keyRoutes) revoke(w http.ResponseWriter, r *http.Request) {
	by, _ := caller(r)
	reason, err := s.reason(r.URL.Query().Get("reason"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	key, err := s.keys.Get(r.Context(), &by, r.PathValue("id"))
	if err == nil {
		err = s.keys.Revoke(r.Context(), &by, key.ID, reason, s.now())
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if key.Revoked.IsZero() {
		s.record(r, "key.revoked", key.ID, reason)
	}
	w.WriteHeader(http.StatusNoContent)
}

// reason is a text for people, without the keys that they paste into it.
func (s *keyRoutes) reason(text string) (string, error) {
	if !legible(text, 0, 200) {
		return "", errReason
	}
	return s.redacted(strings.TrimSpace(text)), nil
}

// revokeAll ends all keys that the body means, of those that the caller may
// end. That all are meant must be said.
func (s *keyRoutes) revokeAll(w http.ResponseWriter, r *http.Request) {
	by, _ := caller(r)
	var body struct {
		CreatedBy     string  `json:"created_by"`
		Owner         string  `json:"owner"`
		CreatedBefore *string `json:"created_before"`
		All           bool    `json:"all"`
		Reason        string  `json:"reason"`
	}
	if err := decode(w, r, &body); err != nil {
		s.fail(w, r, err)
		return
	}
	f := store.Filter{CreatedBy: body.CreatedBy, Owner: body.Owner}
	if body.CreatedBefore != nil {
		var err error
		if f.CreatedBefore, err = parseTime(*body.CreatedBefore); err != nil {
			s.fail(w, r, errBefore)
			return
		}
	}
	reason, err := s.reason(body.Reason)
	switch {
	case err == nil && reason == "":
		err = errReason
	case body.All == (f != store.Filter{}):
		err = errWhich
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	now := s.now().Truncate(time.Microsecond)
	n, err := s.keys.RevokeAll(r.Context(), &by, f, reason, now)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if n > 0 {
		s.recordRevoked(r, by.Account, reason, now)
	}
	s.respond(w, r, http.StatusOK, map[string]int{"revoked": n})
}

// recordRevoked is an event for every key of the account that was revoked at
// that instant.
func (s *keyRoutes) recordRevoked(r *http.Request, account, reason string, at time.Time) {
	ctx, cancel := detached(r.Context(), handlerTimeout) // also when the client has hung up
	defer cancel()
	for after := ""; ; {
		keys, err := s.KeyAdmin().List(ctx, account, after, 1000)
		if err != nil {
			s.recordIn(r, account, "key.revoked", account, "several keys, which could not be listed: "+reason)
			return
		}
		for _, k := range keys {
			if k.Revoked.Equal(at) {
				s.record(r, "key.revoked", k.ID, reason)
			}
			after = k.ID
		}
		if len(keys) == 0 {
			return
		}
	}
}

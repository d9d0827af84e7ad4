package portal

import (
	"net/http"
	"strings"
	"time"

	"medtwin.ai/tollgate/portal/wire"
	"medtwin.ai/tollgate/store"
)

var (
	errReason        = wire.Invalid("invalid_reason", "reason must be a text of at most 200 characters; to revoke many keys it is required.")
	errCreatedBefore = wire.Invalid("invalid_time", "created_before must be a time, as in 2027-01-31T00:00:00Z.")
	errWhich         = wire.Invalid("invalid_filter", "Say which keys by created_by, owner or created_before, or say all.")
)

// revoke ends a key for ever. Doing it again is no error and no event.
func (k *keyRoutes) revoke(w http.ResponseWriter, r *http.Request) error {
	by := caller(r)
	reason, err := k.reason(r.URL.Query().Get("reason"))
	if err != nil {
		return err
	}
	key, err := k.gate.Keys().Get(r.Context(), by, r.PathValue("id"))
	if err != nil {
		return err
	}
	if err := k.gate.Keys().Revoke(r.Context(), by, key.ID, reason, k.of.Now()); err != nil {
		return err
	}
	if key.Revoked.IsZero() {
		k.record(r, "key.revoked", key.ID, reason)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// reason returns a text for people, without the keys that they paste into it.
func (k *keyRoutes) reason(text string) (string, error) {
	if !wire.Printable(text, 0, 200) {
		return "", errReason
	}
	return k.gate.Redact(strings.TrimSpace(text)), nil
}

// revokeMany ends all keys that the body selects, of those that the caller may end. That
// all are meant must be said.
func (k *keyRoutes) revokeMany(w http.ResponseWriter, r *http.Request) error {
	by := caller(r)
	var body struct {
		CreatedBy     string  `json:"created_by"`
		Owner         string  `json:"owner"`
		CreatedBefore *string `json:"created_before"`
		All           bool    `json:"all"`
		Reason        string  `json:"reason"`
	}
	if err := wire.Decode(w, r, &body); err != nil {
		return err
	}
	f := store.Filter{CreatedBy: body.CreatedBy, Owner: body.Owner}
	if body.CreatedBefore != nil {
		var err error
		if f.CreatedBefore, err = wire.ParseTime(*body.CreatedBefore); err != nil {
			return errCreatedBefore
		}
	}
	reason, err := k.reason(body.Reason)
	switch {
	case err != nil:
		return err
	case reason == "":
		return errReason
	case body.All == (f != store.Filter{}):
		return errWhich
	}
	now := k.of.Now().Truncate(time.Microsecond) // as stores keep it
	n, err := k.gate.Keys().RevokeAll(r.Context(), by, f, reason, now)
	if err != nil {
		return err
	}
	if n > 0 {
		k.recordRevoked(r, by.Account, reason, now)
	}
	return wire.JSON(w, http.StatusOK, map[string]int{"revoked": n})
}

// recordRevoked records an event for every key of an account that was revoked at an
// instant.
func (k *keyRoutes) recordRevoked(r *http.Request, account, reason string, at time.Time) {
	ctx, cancel := detached(r.Context())
	defer cancel()
	for after := ""; ; {
		keys, err := k.of.Store.KeyAdmin().List(ctx, account, after, 1000)
		if err != nil {
			k.recordIn(r, account, "key.revoked", account, "several keys, which could not be listed: "+reason)
			return
		}
		for _, key := range keys {
			if key.Revoked.Equal(at) {
				k.recordIn(r, account, "key.revoked", key.ID, reason)
			}
			after = key.ID
		}
		if len(keys) == 0 {
			return
		}
	}
}

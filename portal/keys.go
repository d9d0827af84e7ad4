package portal

import (
	"net/http"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/portal/wire"
	"medtwin.ai/tollgate/store"
)

// keyRoutes are the handlers of API keys.
type keyRoutes struct{ *portal }

// declareKeys declares the management of API keys, by people alone, and the warnings before
// keys expire. A suspended account may use what only shows or takes away.
func (p *portal) declareKeys() {
	k := &keyRoutes{p}
	p.handle("POST /api-keys", authz.Need{ID: "api_keys.create", Person: true}, k.create)
	p.handle("GET /api-keys", authz.Need{ID: "api_keys.list", Person: true, Suspended: true}, k.list, "owner", "expiring_before", "limit", "after")
	p.handle("POST /api-keys/revoke", authz.Need{ID: "api_keys.revoke_all", Person: true, Suspended: true}, k.revokeMany)
	p.handle("GET /api-keys/{id}", authz.Need{ID: "api_keys.get", Person: true, Suspended: true}, k.get)
	p.handle("PATCH /api-keys/{id}", authz.Need{ID: "api_keys.update", Person: true}, k.update)
	p.handle("DELETE /api-keys/{id}", authz.Need{ID: "api_keys.revoke", Person: true, Suspended: true}, k.revoke, "reason=")
	p.handle("POST /api-keys/{id}/rotate", authz.Need{ID: "api_keys.rotate", Person: true}, k.rotate)
	p.gate.Background((&warnings{p}).run)
}

// create answers 201 with a new key, this once. A request with an Idempotency-Key that
// made a key before is answered with that key, even if it could not be made now.
func (k *keyRoutes) create(w http.ResponseWriter, r *http.Request) error {
	by, now := caller(r), k.of.Now()
	var body newKey
	if err := wire.Decode(w, r, &body); err != nil {
		return err
	}
	call, err := callOf(r, body)
	if err != nil {
		return err
	}
	key, made, err := k.gate.Keys().Made(r.Context(), by, call)
	switch {
	case err != nil:
		return err
	case made:
		return k.replay(w, key)
	}
	spec, err := k.specify(r.Context(), by, body, now)
	if err != nil {
		return err
	}
	spec.Call = call
	key, token, err := k.gate.Keys().Issue(r.Context(), by, spec, now)
	switch {
	case err != nil:
		return err
	case token.IsZero(): // the same request came twice at once
		return k.replay(w, key)
	}
	k.record(r, "key.created", key.ID, key.Name)
	return k.reveal(w, key, token)
}

func (k *keyRoutes) get(w http.ResponseWriter, r *http.Request) error {
	key, err := k.gate.Keys().Get(r.Context(), caller(r), r.PathValue("id"))
	if err != nil {
		return err
	}
	return wire.JSON(w, http.StatusOK, k.show(key))
}

var (
	errOwner          = wire.Invalid("invalid_owner", "owner can be me, or left out.")
	errExpiringBefore = wire.Invalid("invalid_time", "expiring_before must be a time, as in 2027-01-31T00:00:00Z, and goes without after: for more keys, ask for an earlier time or a larger limit.")
)

// list answers one page of the keys that the caller may see, newest first: their own,
// or everybody's if they manage them and do not ask for ?owner=me. With ?expiring_before
// it answers those that end by then, the soonest first; of these there is one page.
func (k *keyRoutes) list(w http.ResponseWriter, r *http.Request) error {
	after, limit, err := wire.ReadPage(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	own := q.Has("owner")
	if own && q.Get("owner") != "me" {
		return errOwner
	}
	var keys []store.Key
	if q.Has("expiring_before") {
		keys, err = k.expiring(r, own, q.Get("expiring_before"), after, limit)
	} else {
		keys, err = k.page(r, own, after, limit+1)
	}
	if err != nil {
		return err
	}
	return wire.JSON(w, http.StatusOK, wire.NewPage(keys, limit, func(key store.Key) string { return key.ID }, k.show))
}

func (k *keyRoutes) page(r *http.Request, own bool, after string, limit int) ([]store.Key, error) {
	if own {
		return k.gate.Keys().ListOwn(r.Context(), caller(r), after, limit)
	}
	return k.gate.Keys().List(r.Context(), caller(r), after, limit)
}

func (k *keyRoutes) expiring(r *http.Request, own bool, before, after string, limit int) ([]store.Key, error) {
	until, err := wire.ParseTime(before)
	if err != nil || after != "" {
		return nil, errExpiringBefore
	}
	if own {
		return k.gate.Keys().ExpiringOwn(r.Context(), caller(r), until, limit, k.of.Now())
	}
	return k.gate.Keys().Expiring(r.Context(), caller(r), until, limit, k.of.Now())
}

package main

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

// keyRoutes is the management of API keys, by people alone: this API's words
// for what the library decides.
type keyRoutes struct{ *server }

func (s *server) declareKeys(routes table) {
	k := &keyRoutes{s}
	for _, rt := range []struct {
		pattern, id string
		suspended   bool // a suspended account may use it too: it only shows or takes away
		serve       http.HandlerFunc
	}{
		{"POST /v1/api-keys", "api_keys.create", false, k.create},
		{"GET /v1/api-keys", "api_keys.list", true, k.list},
		{"POST /v1/api-keys/revoke", "api_keys.revoke_all", true, k.revokeAll},
		{"GET /v1/api-keys/{id}", "api_keys.get", true, k.get},
		{"PATCH /v1/api-keys/{id}", "api_keys.update", false, k.update},
		{"DELETE /v1/api-keys/{id}", "api_keys.revoke", true, k.revoke},
		{"POST /v1/api-keys/{id}/rotate", "api_keys.rotate", false, k.rotate},
	} {
		routes.Handle(rt.pattern, authz.Need{ID: rt.id, Permission: self, Cost: -1, Suspended: rt.suspended}, rt.serve)
	}
	routes.Handle("GET /v1/billing", authz.Need{ID: "billing.get", Permission: admin, Environment: live, Cost: -1, Suspended: true}, http.HandlerFunc(s.billing))
}

func (s *keyRoutes) create(w http.ResponseWriter, r *http.Request) {
	by, _ := caller(r)
	var body newKey
	err := decode(w, r, &body)
	var spec apikey.Spec
	if err == nil {
		spec.Call, err = callOf(r, body)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	now := s.now()
	if err := s.specify(r.Context(), &by, body, &spec, now); err != nil {
		// A key that the call has made before is returned even if it could not be
		// made now. The library looks for that key first, and makes none of an
		// empty Spec.
		key, token, again := s.keys.Issue(r.Context(), &by, apikey.Spec{Call: spec.Call}, now)
		if !errors.Is(again, authn.ErrInvalid) {
			err = again
		}
		s.revealKey(w, r, key, token, err)
		return
	}
	key, token, err := s.keys.Issue(r.Context(), &by, spec, now)
	if err == nil && !token.IsZero() {
		s.record(r, "key.created", key.ID, key.Name)
	}
	s.revealKey(w, r, key, token, err)
}

// specify fills in spec with what a body asks for. It checks first that the body
// makes sense, then that the caller may grant it, and only then what exists.
func (s *keyRoutes) specify(ctx context.Context, by *authn.Principal, body newKey, spec *apikey.Spec, now time.Time) (err error) {
	spec.Name, spec.Environment, spec.Grant, spec.Service = body.Name, live, s.everything(), body.Service
	if body.Environment != nil {
		spec.Environment = *body.Environment
	}
	if spec.Environment != live && spec.Environment != test {
		return errEnvironment
	}
	if body.ExpiresAt != nil {
		if spec.Expires, err = future(*body.ExpiresAt, now); err != nil {
			return err
		}
	}
	if body.Addresses != nil {
		if spec.Addresses, err = networks(body.Addresses); err != nil {
			return err
		}
	}
	return cmp.Or(
		s.checkKeyName(body.Name),
		s.permit(&spec.Grant, body.Permissions),
		s.limit(&spec.Grant, body.Scope, s.endpoints()),
		s.mayGive(ctx, by, &spec.Grant, spec.Environment),
	)
}

// mayGive refuses a grant that exceeds the caller's own before it looks for the
// projects that are named, so that callers learn of none that they may not see.
func (s *keyRoutes) mayGive(ctx context.Context, by *authn.Principal, g *authz.Grant, environment string) error {
	g.Environments = authz.Of(environment)
	if d := by.Rights.Delegate(*g); !d.Allowed {
		return &authz.DeniedError{Decision: d}
	}
	return s.haveProjects(ctx, tenant{by.Account, environment}, g.Scope[projects])
}

// endpoints are the ids that a key can be limited to.
func (s *server) endpoints() (ids []string) {
	for _, route := range s.gate.Table() {
		if route.Public == "" {
			ids = append(ids, route.Need.ID)
		}
	}
	return ids
}

func (s *keyRoutes) get(w http.ResponseWriter, r *http.Request) {
	by, _ := caller(r)
	key, err := s.keys.Get(r.Context(), &by, r.PathValue("id"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.respond(w, r, http.StatusOK, s.show(key))
}

// list answers one page of the caller's keys, or of everybody's keys if the
// caller manages them, newest first. With ?expiring_before it answers those that
// end by then, the soonest first.
func (s *keyRoutes) list(w http.ResponseWriter, r *http.Request) {
	by, _ := caller(r)
	after, limit, err := pageOf(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	q := r.URL.Query()
	switch q.Get("owner") {
	case "":
	case "me":
		by.Rights = nil // as a caller who manages nobody's
	default:
		s.fail(w, r, errOwner)
		return
	}
	var keys []store.Key
	if q.Has("expiring_before") {
		keys, err = s.expiring(r.Context(), &by, q.Get("expiring_before"), after, limit)
	} else {
		keys, err = s.keys.List(r.Context(), &by, after, limit+1)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	answer := page{Data: []any{}}
	for i, key := range keys {
		if i == limit {
			answer.Next = keys[i-1].ID
			break
		}
		answer.Data = append(answer.Data, s.show(key))
	}
	s.respond(w, r, http.StatusOK, answer)
}

// expiring returns one page, and there is no other. To see more, a caller asks
// for an earlier time.
func (s *keyRoutes) expiring(ctx context.Context, by *authn.Principal, before, after string, limit int) ([]store.Key, error) {
	until, err := parseTime(before)
	if err != nil || after != "" {
		return nil, errBefore
	}
	return s.keys.Expiring(ctx, by, until, limit, s.now())
}

// rotate makes a successor. The old key works for a grace period after the first
// use of the new one: a day, unless the body says otherwise.
func (s *keyRoutes) rotate(w http.ResponseWriter, r *http.Request) {
	by, _ := caller(r)
	var body struct {
		Grace *int64 `json:"grace_seconds"`
	}
	if err := decodeOptional(w, r, &body); err != nil {
		s.fail(w, r, err)
		return
	}
	grace := 24 * time.Hour
	if body.Grace != nil {
		if *body.Grace < 0 || *body.Grace > int64(7*24*time.Hour/time.Second) {
			s.fail(w, r, errGrace)
			return
		}
		grace = time.Duration(*body.Grace) * time.Second
	}
	call, err := callOf(r, body)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	id := r.PathValue("id")
	key, token, err := s.keys.RotateOnce(r.Context(), &by, id, grace, call, s.now())
	switch {
	case err == nil && !token.IsZero():
		s.record(r, "key.rotated", id, "its successor is "+key.ID)
	default:
		err = rotationFailed(err)
	}
	s.revealKey(w, r, key, token, err)
}

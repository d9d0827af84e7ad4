package portal

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/portal/wire"
	"medtwin.ai/tollgate/store"
)

// update changes what the body names of a key.
func (k *keyRoutes) update(w http.ResponseWriter, r *http.Request) error {
	by := caller(r)
	var body keyChange
	if err := wire.Decode(w, r, &body); err != nil {
		return err
	}
	key, err := k.gate.Keys().Get(r.Context(), by, r.PathValue("id"))
	if err != nil {
		return err
	}
	change, names, err := k.changeOf(r.Context(), by, key, body)
	if err != nil {
		return err
	}
	if len(names) > 0 {
		if key, err = k.gate.Keys().Update(r.Context(), by, key.ID, change, k.of.Now()); err != nil {
			return err
		}
		k.record(r, "key.updated", key.ID, strings.Join(names, ", "))
	}
	return wire.JSON(w, http.StatusOK, k.show(key))
}

// changeOf returns what a body changes about a key as it has been read, and the names of
// the fields that it gives.
func (k *keyRoutes) changeOf(ctx context.Context, by *authn.Principal, key store.Key, body keyChange) (c apikey.Change, names []string, err error) {
	set := func(name string, given bool, read func() error) {
		if given && err == nil {
			names, err = append(names, name), read()
		}
	}
	g := key.Grant
	set("name", body.Name != nil, func() error {
		c.Name = body.Name
		return k.checkKeyName(*body.Name)
	})
	set("permissions", body.Permissions != nil, func() error {
		c.Was, c.Grant = &key.Grant, &g
		return k.permit(&g, body.Permissions)
	})
	set("scope", body.Scope.Given, func() error {
		c.Was, c.Grant = &key.Grant, &g
		return k.limit(&g, body.Scope.Value)
	})
	set("expires_at", body.ExpiresAt.Given, func() (err error) {
		c.Expires = new(time.Time)
		if text := body.ExpiresAt.Value; text != nil {
			*c.Expires, err = future(*text, k.of.Now())
		}
		return err
	})
	set("addresses", body.Addresses.Given, func() (err error) {
		c.Addresses = new([]netip.Prefix)
		if texts := body.Addresses.Value; texts != nil {
			*c.Addresses, err = networks(*texts)
		}
		return err
	})
	set("enabled", body.Enabled != nil, func() error {
		c.Disabled = new(bool)
		*c.Disabled = !*body.Enabled
		return nil
	})
	if body.Scope.Given && err == nil { // else it keeps its scope, even if some of that is gone
		err = k.mayGive(ctx, by, &g, key.Environment)
	}
	return c, names, err
}

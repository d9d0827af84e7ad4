package portal

import (
	"time"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/portal/wire"
	"medtwin.ai/tollgate/store"
)

// A newKey asks for a key. A field that limits the key is left out if there is no limit.
// An empty list is an error: it does not mean everything.
type newKey struct {
	Name        string              `json:"name"`
	Permissions []string            `json:"permissions"`
	Scope       map[string][]string `json:"scope,omitempty"`       // by kind of resource, and "endpoints"
	Environment *string             `json:"environment,omitempty"` // default: the first of the gate
	ExpiresAt   *string             `json:"expires_at,omitempty"`
	Addresses   []string            `json:"addresses,omitempty"`
	Service     bool                `json:"service,omitempty"` // the account's own, not its maker's
}

// A keyChange changes what it names. Null takes a limit away; the scope is replaced as a
// whole.
type keyChange struct {
	Name        *string                            `json:"name"`
	Permissions []string                           `json:"permissions"`
	Scope       wire.Nullable[map[string][]string] `json:"scope"`
	ExpiresAt   wire.Nullable[string]              `json:"expires_at"`
	Addresses   wire.Nullable[[]string]            `json:"addresses"`
	Enabled     *bool                              `json:"enabled"`
}

// A shownKey is a key as its people see it. The key itself is in it once, its digest
// never.
type shownKey struct {
	ID          string     `json:"id"`
	Name        string     `json:"name"`
	Key         string     `json:"key,omitempty"` // in the answer that made it
	SecretShown bool       `json:"secret_shown,omitempty"`
	Hint        string     `json:"hint"`
	Status      string     `json:"status"` // active, disabled, expired, revoked
	Environment string     `json:"environment"`
	Permissions authz.Set  `json:"permissions"`
	Scope       shownScope `json:"scope,omitempty"`
	Addresses   []string   `json:"addresses,omitempty"`
	Owner       string     `json:"owner,omitempty"` // whose rights bound it
	Service     bool       `json:"service,omitempty"`
	CreatedBy   string     `json:"created_by"`
	Plan        string     `json:"plan,omitempty"` // of its own
	Replaces    string     `json:"replaces,omitempty"`
	CreatedAt   string     `json:"created_at"`
	ExpiresAt   string     `json:"expires_at,omitempty"`
	LastUsedAt  string     `json:"last_used_at,omitempty"` // to the minute
	DisabledAt  string     `json:"disabled_at,omitempty"`
	RevokedAt   string     `json:"revoked_at,omitempty"`
	Reason      string     `json:"reason,omitempty"`
}

// A shownScope has what a key is limited to, and nothing where it is not limited.
type shownScope map[string]authz.Set

func (k *keyRoutes) show(key store.Key) shownKey {
	v := shownKey{
		ID: key.ID, Name: key.Name, Hint: key.Hint, Status: standing(key, k.of.Now()), Environment: key.Environment,
		Permissions: key.Grant.Permissions, Scope: shownScope{}, Owner: key.Owner, Service: key.Owner == "",
		CreatedBy: key.CreatedBy, Plan: key.Plan, Replaces: key.Replaces, CreatedAt: wire.FormatTime(key.Created), ExpiresAt: wire.FormatTime(key.Expires),
		LastUsedAt: wire.FormatTime(key.Used), DisabledAt: wire.FormatTime(key.Disabled), RevokedAt: wire.FormatTime(key.Revoked), Reason: key.Reason,
	}
	for _, kind := range k.of.Resources {
		if ids := key.Grant.Scope[kind]; !ids.IsAll() {
			v.Scope[kind] = ids
		}
	}
	if !key.Grant.Endpoints.IsAll() {
		v.Scope[endpoints] = key.Grant.Endpoints
	}
	for _, a := range key.Addresses {
		v.Addresses = append(v.Addresses, a.String())
	}
	return v
}

// standing says in a word whether a key opens anything.
func standing(k store.Key, now time.Time) string {
	switch {
	case !k.Revoked.IsZero():
		return "revoked"
	case k.Ended(now):
		return "expired"
	case !k.Live(now):
		return "disabled"
	}
	return "active"
}

package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

// A newKey asks for a key, as in seed 001. A member that limits the key is left
// out if there is no limit. An empty list is an error: it does not mean
// everything.
type newKey struct {
	Name        string    `json:"name"`
	Permissions []string  `json:"permissions"`
	Scope       *keyScope `json:"scope,omitempty"`
	Environment *string   `json:"environment,omitempty"` // default: live
	ExpiresAt   *string   `json:"expires_at,omitempty"`
	Addresses   []string  `json:"addresses,omitempty"`
	Service     bool      `json:"service,omitempty"` // the account's own, not its maker's
}

type keyScope struct {
	Projects      []string `json:"projects,omitempty"`
	Endpoints     []string `json:"endpoints,omitempty"`
	ArtifactTypes []string `json:"artifact_types,omitempty"`
}

// A keyChange changes what it names. Null takes a limit away; the scope is
// replaced as a whole.
type keyChange struct {
	Name        *string             `json:"name"`
	Permissions []string            `json:"permissions"`
	Scope       clearable[keyScope] `json:"scope"`
	ExpiresAt   clearable[string]   `json:"expires_at"`
	Addresses   clearable[[]string] `json:"addresses"`
	Enabled     *bool               `json:"enabled"`
}

// A clearable member of a body may be missing, null, or a value.
type clearable[T any] struct {
	given bool
	value *T // nil: null
}

// UnmarshalJSON implements json.Unmarshaler.
func (c *clearable[T]) UnmarshalJSON(data []byte) error {
	c.given = true
	return json.Unmarshal(data, &c.value) // conform has read it
}

// element tells conform what the value is decoded into.
func (clearable[T]) element() reflect.Type { return reflect.TypeFor[T]() }

var (
	errName        = invalid(http.StatusBadRequest, "invalid_name", "name must be 1 to 100 printable characters, without space at either end, and not hold a key.")
	errPermissions = invalid(http.StatusBadRequest, "invalid_permissions", "permissions must list one or more of read, write, delete and admin.")
	errScope       = invalid(http.StatusBadRequest, "invalid_scope", "scope must name projects, endpoints or artifact_types, and none of them with an empty list; leave it out for no limit.")
	errProjects    = invalid(http.StatusBadRequest, "unknown_project", "scope.projects must list projects that there are in the account, in the environment of the key.")
	errEndpoints   = invalid(http.StatusBadRequest, "unknown_endpoint", "scope.endpoints must list ids of endpoints, as in projects.get or artifacts.*.")
	errTypes       = invalid(http.StatusBadRequest, "invalid_artifact_type", "scope.artifact_types must list names of types.")
	errEnvironment = invalid(http.StatusBadRequest, "unknown_environment", "environment must be live or test.")
	errExpiry      = invalid(http.StatusBadRequest, "invalid_expiry", "expires_at must be a time in the future, as in 2027-01-31T00:00:00Z.")
	errAddresses   = invalid(http.StatusBadRequest, "invalid_addresses", "addresses must list addresses or prefixes, as in 192.0.2.1 or 10.0.0.0/8.")
	errGrace       = invalid(http.StatusBadRequest, "invalid_grace", "grace_seconds must be 0 to 604800.")
	errRotated     = invalid(http.StatusConflict, "rotated_before", "The key was changed or rotated at the same time, or too often in a week: read it again, or rotate with grace_seconds 0.")
	errReason      = invalid(http.StatusBadRequest, "invalid_reason", "reason must be a text of at most 200 characters; to revoke many keys it is required.")
	errOwner       = invalid(http.StatusBadRequest, "invalid_owner", "owner can be me, or left out.")
	errBefore      = invalid(http.StatusBadRequest, "invalid_time", "expiring_before, which goes without after, and created_before must be times, as in 2027-01-31T00:00:00Z.")
	errWhich       = invalid(http.StatusBadRequest, "invalid_filter", "Say which keys by created_by, owner or created_before, or say all.")
)

// checkKeyName refuses what the library would, and keys where names belong.
func (s *server) checkKeyName(name string) error {
	if n := utf8.RuneCountInString(name); n == 0 || n > 100 || strings.TrimSpace(name) != name ||
		strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) || s.redacted(name) != name {
		return errName
	}
	return nil
}

// permit sets the permissions of a grant.
func (s *server) permit(g *authz.Grant, permissions []string) error {
	g.Permissions = authz.Of(permissions...)
	if len(permissions) == 0 || !g.Permissions.Within(s.everything().Permissions) {
		return errPermissions
	}
	return nil
}

// limit sets the scope of a grant; nil is no limit.
func (s *server) limit(g *authz.Grant, scope *keyScope, endpoints []string) error {
	whole := s.everything()
	g.Scope, g.Endpoints = whole.Scope, whole.Endpoints
	if scope == nil {
		return nil
	}
	named := false
	for _, d := range []struct {
		ids  []string
		fits func(string) bool
		bad  error
		set  func(authz.Set)
	}{
		{scope.Projects, isName, errProjects, func(s authz.Set) { g.Scope[projects] = s }},
		{scope.ArtifactTypes, isName, errTypes, func(s authz.Set) { g.Scope[artifactTypes] = s }},
		{scope.Endpoints, func(x string) bool { return names(x, endpoints) }, errEndpoints, func(s authz.Set) { g.Endpoints = s }},
	} {
		switch {
		case d.ids == nil:
			continue
		case len(d.ids) == 0:
			return errScope
		case slices.ContainsFunc(d.ids, func(x string) bool { return !d.fits(x) }):
			return d.bad
		}
		d.set(authz.Of(d.ids...))
		named = true
	}
	if !named {
		return errScope
	}
	return nil
}

// isName reports whether x can stand in a path (RFC 3986, unreserved).
func isName(x string) bool {
	const unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
	return x != "" && len(x) <= 128 && strings.Trim(x, unreserved) == "" && x != "." && x != ".."
}

// names reports whether x is one of the endpoints, or a pattern for some.
func names(x string, endpoints []string) bool {
	prefix, pattern := strings.CutSuffix(x, "*")
	return slices.ContainsFunc(endpoints, func(id string) bool {
		return id == x || pattern && strings.HasSuffix(prefix, ".") && strings.HasPrefix(id, prefix)
	})
}

// haveProjects returns an error unless the tenant has all the projects of a
// set. Call it after checking that the caller may name them, so that it reveals
// no others.
func (s *server) haveProjects(ctx context.Context, t tenant, ids authz.Set) error {
	want := ids.Items()
	if ids.IsAll() || len(want) == 0 {
		return nil
	}
	have, err := s.documents.list(ctx, t, projects, "", "id", ids, "", len(want))
	if err == nil && len(have) < len(want) {
		err = errProjects
	}
	return err
}

// future reads a time that is to come.
func future(text string, now time.Time) (time.Time, error) {
	t, err := parseTime(text)
	if err != nil || !t.After(now) {
		return time.Time{}, errExpiry
	}
	return t, nil
}

func networks(texts []string) ([]netip.Prefix, error) {
	if len(texts) == 0 {
		return nil, errAddresses
	}
	var all []netip.Prefix
	for _, text := range texts {
		if strings.Contains(text, ",") {
			return nil, errAddresses
		}
		ps, err := prefixes(text)
		if err != nil || len(ps) != 1 || ps[0].Addr().Is4In6() {
			return nil, errAddresses
		}
		all = append(all, ps[0])
	}
	return all, nil
}

// A shownKey is a key as its people see it. The key itself is in it once, its
// digest never.
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

// A shownScope has what a key is limited to, and nothing where it is not.
type shownScope map[string]authz.Set

func (s *server) show(k store.Key) shownKey {
	v := shownKey{
		ID: k.ID, Name: k.Name, Hint: k.Hint, Status: standing(k, s.now()), Environment: k.Environment,
		Permissions: k.Grant.Permissions, Scope: shownScope{}, Owner: k.Owner, Service: k.Owner == "",
		CreatedBy: k.CreatedBy, Plan: k.Plan, Replaces: k.Replaces, CreatedAt: rfc3339(k.Created), ExpiresAt: rfc3339(k.Expires),
		LastUsedAt: rfc3339(k.Used), DisabledAt: rfc3339(k.Disabled), RevokedAt: rfc3339(k.Revoked), Reason: k.Reason,
	}
	for name, ids := range map[string]authz.Set{
		projects: k.Grant.Scope[projects], artifactTypes: k.Grant.Scope[artifactTypes], "endpoints": k.Grant.Endpoints,
	} {
		if !ids.IsAll() {
			v.Scope[name] = ids
		}
	}
	for _, p := range k.Addresses {
		v.Addresses = append(v.Addresses, p.String())
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

// rfc3339 is a time as answers have it, "" for none.
func rfc3339(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

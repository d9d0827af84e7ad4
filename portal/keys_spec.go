package portal

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/internal/suggest"
	"medtwin.ai/tollgate/portal/wire"
)

// Bounds of package apikey, which tells a client less about what exceeds them.
const (
	maxKeyName   = 100
	maxAddresses = 100
	maxScopeIDs  = 1000 // of a kind
)

// endpoints is the member of a scope that holds ids of routes.
const endpoints = "endpoints"

var (
	errKeyName   = wire.Invalid("invalid_name", "name must be 1 to 100 printable characters, without space at either end, and not hold a key.")
	errExpiry    = wire.Invalid("invalid_expiry", "expires_at must be a time in the future, as in 2027-01-31T00:00:00Z.")
	errAddresses = wire.Invalid("invalid_addresses", "addresses must list 1 to 100 addresses or prefixes, as in 192.0.2.1 or 10.0.0.0/8.")
)

// specify returns the key that a body asks for. It checks first that the body makes
// sense, then that the caller may grant the key, and only then what exists.
func (k *keyRoutes) specify(ctx context.Context, by *authn.Principal, body newKey, now time.Time) (spec apikey.Spec, err error) {
	spec = apikey.Spec{Name: body.Name, Environment: k.of.Environments[0], Grant: k.gate.Model().Everything(), Service: body.Service}
	if body.Environment != nil {
		spec.Environment = *body.Environment
	}
	if !slices.Contains(k.of.Environments, spec.Environment) {
		return spec, wire.Invalid("unknown_environment", "environment must be "+suggest.List(k.of.Environments)+".")
	}
	if body.ExpiresAt != nil {
		if spec.Expires, err = future(*body.ExpiresAt, now); err != nil {
			return spec, err
		}
	}
	if body.Addresses != nil {
		if spec.Addresses, err = networks(body.Addresses); err != nil {
			return spec, err
		}
	}
	var scope *map[string][]string
	if body.Scope != nil {
		scope = &body.Scope
	}
	if err := cmp.Or(k.checkKeyName(body.Name), k.permit(&spec.Grant, body.Permissions), k.limit(&spec.Grant, scope)); err != nil {
		return spec, err
	}
	return spec, k.mayGive(ctx, by, &spec.Grant, spec.Environment)
}

// checkKeyName refuses what package apikey would, and keys in the place of names.
func (k *keyRoutes) checkKeyName(name string) error {
	if !wire.Printable(name, 1, maxKeyName) || strings.TrimSpace(name) != name || k.gate.Redact(name) != name {
		return errKeyName
	}
	return nil
}

// permit sets the permissions of a grant.
func (k *keyRoutes) permit(g *authz.Grant, permissions []string) error {
	unknown := func(name string) bool { return !slices.Contains(k.of.Permissions, name) }
	if len(permissions) == 0 || slices.ContainsFunc(permissions, unknown) {
		return wire.Invalid("invalid_permissions", "permissions must list one or more of "+suggest.List(k.of.Permissions)+".")
	}
	g.Permissions = authz.Of(permissions...)
	return nil
}

// limit sets the scope and the endpoints of a grant to those of a body; nil is no limit.
func (p *portal) limit(g *authz.Grant, scope *map[string][]string) error {
	whole := p.gate.Model().Everything()
	g.Scope, g.Endpoints = whole.Scope, whole.Endpoints
	if scope == nil {
		return nil
	}
	sets, err := p.readScope(*scope, append(slices.Clone(p.of.Resources), endpoints))
	if err != nil {
		return err
	}
	for kind, ids := range sets {
		if kind == endpoints {
			g.Endpoints = ids
		} else {
			g.Scope[kind] = ids
		}
	}
	return nil
}

// readScope reads the scope of a key or a member, which may have these kinds.
func (p *portal) readScope(scope map[string][]string, kinds []string) (map[string]authz.Set, error) {
	if len(scope) == 0 {
		return nil, wire.Invalid("invalid_scope", "scope must name "+suggest.List(kinds)+", each with a list of ids; leave scope out for no limit.")
	}
	sets := make(map[string]authz.Set, len(scope))
	for _, kind := range slices.Sorted(maps.Keys(scope)) { // the same error every time
		ids := scope[kind]
		switch {
		case !slices.Contains(kinds, kind):
			return nil, wire.Invalid("unknown_field", "scope."+wire.Name(kind)+": there is no such field here; expected "+suggest.List(kinds)+".")
		case len(ids) == 0:
			return nil, wire.Invalid("invalid_scope", "scope."+kind+": the list is empty; leave it out for no limit.")
		case len(ids) > maxScopeIDs:
			return nil, wire.Invalid("invalid_scope", fmt.Sprintf("scope.%s may list at most %d ids.", kind, maxScopeIDs))
		case kind == endpoints:
			if err := p.checkEndpoints(ids); err != nil {
				return nil, err
			}
		case slices.ContainsFunc(ids, func(id string) bool { return !authz.ValidID(id) }):
			return nil, wire.Invalid("invalid_scope", "scope."+kind+` must list ids: 1 to 128 letters, digits, ".", "_", "~" and "-" each.`)
		}
		sets[kind] = authz.Of(ids...)
	}
	return sets, nil
}

// checkEndpoints refuses what is neither the id of a route that keys may call nor a
// pattern for some.
func (p *portal) checkEndpoints(names []string) error {
	var ids []string
	for _, route := range p.gate.Table() {
		if route.Public == "" && !route.Need.Person {
			ids = append(ids, route.Need.ID)
		}
	}
	for _, name := range names {
		prefix, pattern := strings.CutSuffix(name, "*")
		if slices.ContainsFunc(ids, func(id string) bool {
			return id == name || pattern && strings.HasSuffix(prefix, ".") && strings.HasPrefix(id, prefix)
		}) {
			continue
		}
		return wire.Invalid("unknown_endpoint", `scope.endpoints must list ids of endpoints, or the first words of ids with ".*" behind: `+suggest.Names(name, ids)+`.`)
	}
	return nil
}

// mayGive refuses a grant that exceeds the caller's own before it asks what exists, so
// that callers learn of nothing that they may not see.
func (k *keyRoutes) mayGive(ctx context.Context, by *authn.Principal, g *authz.Grant, environment string) error {
	g.Environments = authz.Of(environment)
	if d := by.Rights.Delegate(*g); !d.Allowed {
		return &authz.DeniedError{Decision: d}
	}
	return k.haveAll(ctx, by.Account, environment, g.Scope)
}

// haveAll returns an error that names the kind, unless the account has everything that a
// scope names. It tells what exists: check first that the caller may see all of it.
func (p *portal) haveAll(ctx context.Context, account, environment string, scope map[string]authz.Set) error {
	if p.Exists == nil {
		return nil
	}
	for _, kind := range p.of.Resources {
		ids := scope[kind].Items()
		if len(ids) == 0 {
			continue
		}
		have, err := p.Exists(ctx, account, environment, kind, ids)
		if err != nil {
			return fmt.Errorf("portal: Config.Exists: %w", err)
		}
		if !have {
			return wire.Invalid("unknown_resource", "scope."+kind+": the account does not have all of these in the environment "+environment+"; correct the ids.")
		}
	}
	return nil
}

// future reads a time that is to come.
func future(text string, now time.Time) (time.Time, error) {
	t, err := wire.ParseTime(text)
	if err != nil || !t.After(now) {
		return time.Time{}, errExpiry
	}
	return t, nil
}

// networks reads addresses and prefixes. An address with a zone means something on one
// machine only.
func networks(texts []string) (all []netip.Prefix, err error) {
	if len(texts) == 0 || len(texts) > maxAddresses {
		return nil, errAddresses
	}
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			a, err := netip.ParseAddr(text)
			if err != nil || a.Zone() != "" {
				return nil, errAddresses
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		if p.Addr().Is4In6() {
			return nil, errAddresses
		}
		all = append(all, p.Masked())
	}
	return all, nil
}

package apikey

import (
	"net/netip"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

// handsOut returns a *authz.DeniedError if key, as it would be stored, opens
// more than its maker by may open, lasts longer or works from more places, or if
// by has a plan of its own. The operator may hand out anything. Expiry and
// addresses bind only callers who have them; the end of a session does not bind
// the keys of its user.
func (m *Manager) handsOut(by *authn.Principal, key store.Key) error {
	if by.Kind == authn.KindOperator {
		return nil
	}
	d := by.Rights.Delegate(key.Grant)
	switch {
	case !d.Allowed:
	case by.KeyPlan != "":
		d = exceeds("limits", key.Plan, by.KeyPlan)
	case !by.Person() && later(key.Expires, by.Expires):
		d = exceeds("expiry", when(key.Expires), when(by.Expires))
	case !within(key.Addresses, by.Addresses):
		d = exceeds("addresses", list(key.Addresses), list(by.Addresses))
	default:
		return nil
	}
	return &authz.DeniedError{Decision: d}
}

// recent returns a *authz.DeniedError if by proved their identity too long ago to
// hand out key, or never did.
func (m *Manager) recent(by *authn.Principal, key store.Key, now time.Time) error {
	if by.Kind == authn.KindOperator {
		return nil
	}
	bound := m.config.Recent
	if key.Owner == "" || m.config.Manage != "" && key.Grant.Permissions.Has(m.config.Manage) {
		bound = m.config.RecentManage
	}
	if bound < 0 {
		return nil
	}
	d := by.Rights.Decide(authz.Request{Anyone: true, Suspended: true, Recent: bound, Proved: by.Proved, Now: now})
	if d.Allowed {
		return nil
	}
	return &authz.DeniedError{Decision: d}
}

func exceeds(dimension, wanted, held string) authz.Decision {
	return authz.Decision{Code: "scope_exceeds_caller", Layer: "credential", Dimension: dimension, Wanted: wanted, Held: held}
}

// later reports whether the expiry a is after b; the zero time is never.
func later(a, b time.Time) bool {
	return !b.IsZero() && (a.IsZero() || a.After(b))
}

// within reports whether every address of a is one of b; an empty list is
// everywhere. Prefixes are compared one by one: two halves are not a whole.
func within(a, b []netip.Prefix) bool {
	if len(b) == 0 || len(a) == 0 {
		return len(b) == 0
	}
	for _, p := range a {
		if !inside(p, b) {
			return false
		}
	}
	return true
}

func inside(p netip.Prefix, list []netip.Prefix) bool {
	for _, q := range list {
		if q.Bits() <= p.Bits() && q.Contains(p.Addr()) {
			return true
		}
	}
	return false
}

func when(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format(time.RFC3339)
}

func list(prefixes []netip.Prefix) string {
	if len(prefixes) == 0 {
		return "*"
	}
	var items []string
	for _, p := range prefixes {
		items = append(items, p.String())
	}
	return authz.Of(items...).String()
}

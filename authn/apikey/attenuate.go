package apikey

import (
	"net/netip"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

// handsOut returns a *authz.DeniedError if key, as it would be stored, opens
// more than the caller may open. The caller, by, must not exceed itself in any
// of these:
//
//   - the grant: see [authz.Rights.Delegate].
//   - the plan: a caller with a plan of its own hands out none.
//   - the expiry: a caller that expires hands out nothing that lasts longer.
//     The end of a session does not bind, because the session proves a person,
//     who does not end with it.
//   - the addresses: a caller bound to addresses hands out no others.
//
// The operator may hand out anything.
func (m *Manager) handsOut(by *authn.Principal, key store.Key) error {
	if by.Kind == authn.KindOperator {
		return nil
	}
	d := by.Rights.Delegate(key.Grant)
	switch {
	case !d.Allowed:
	case by.KeyPlan != "":
		d = exceeds("limits", key.Plan, by.KeyPlan)
	case !by.Person() && outlives(key.Expires, by.Expires):
		d = exceeds("expiry", when(key.Expires), when(by.Expires))
	case !within(key.Addresses, by.Addresses):
		d = exceeds("addresses", list(key.Addresses), list(by.Addresses))
	default:
		return nil
	}
	return &authz.DeniedError{Decision: d}
}

// recent returns a *authz.DeniedError if the caller logged in too long ago to
// hand out key, or never did.
//
// It asks package authz, so that the denial has the form of any other demand
// for a recent login: the client gets the challenge of RFC 9470 and can act on
// it.
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

// exceeds returns the denial for a dimension that grants do not have.
func exceeds(dimension, wanted, held string) authz.Decision {
	return authz.Decision{Code: "scope_exceeds_caller", Layer: "credential", Dimension: dimension, Wanted: wanted, Held: held}
}

// outlives reports whether the expiry a is later than b. The zero time means
// never.
func outlives(a, b time.Time) bool {
	return !b.IsZero() && (a.IsZero() || a.After(b))
}

// within reports whether every prefix of a lies inside some prefix of b. An
// empty list means everywhere. Prefixes are compared one by one: two halves of
// a prefix in b do not contain the whole. That refuses more than it must, and
// never less.
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

// inside reports whether p lies inside one prefix of the list.
func inside(p netip.Prefix, list []netip.Prefix) bool {
	for _, q := range list {
		if q.Bits() <= p.Bits() && q.Contains(p.Addr()) {
			return true
		}
	}
	return false
}

// when returns the text of an expiry.
func when(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format(time.RFC3339)
}

// list returns the text of a list of prefixes.
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

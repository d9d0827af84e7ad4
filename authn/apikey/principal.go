package apikey

import (
	"cmp"
	"log/slog"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

// Principal returns the principal that a key stands for, as store.Keys.Find has
// returned it. It is for explaining decisions, and does not ask whether the key
// is live.
func (m *Manager) Principal(key store.Key, owner store.Owner) *authn.Principal {
	account := owner.Account
	p := &authn.Principal{
		Kind: authn.KindKey, ID: key.ID, Account: key.Account, User: key.Owner, Environment: key.Environment, Expires: key.Expires,
		Subject: key.Account + "/" + key.Environment, KeyPlan: key.Plan, AccountPlan: account.Plan, Limits: account.Limits,
		Family:    cmp.Or(key.Family, key.ID),
		Rights:    m.rights(key, owner),
		Addresses: key.Addresses,
	}
	if key.Plan != "" { // it has a plan of its own, and one budget through all rotations
		p.Subject = p.Family
	}
	return p
}

// rights returns what the key may do: what its grant says and, for a person's
// key, no more than that person may do at present. These are two layers, and a
// request must be allowed by both. So a role never widens a key. An owner who
// has left or is not active gets an empty layer, which allows nothing.
func (m *Manager) rights(key store.Key, owner store.Owner) *authz.Rights {
	given := []authz.Grant{key.Grant}
	if key.Owner == "" {
		return m.config.Model.Rights(owner.Account.Status, given)
	}
	var role []authz.Grant
	switch {
	case m.config.Roles == nil:
		m.noRoles.Do(func() {
			m.config.Logger.Error("the keys of people open nothing, because Config.Roles is nil: set it", slog.String("key", key.ID))
		})
	case owner.User == authz.Active && owner.Membership.User != "":
		role = m.config.Roles(owner.Membership)
	}
	return m.config.Model.Rights(owner.Account.Status, given, role)
}

// about returns the third id that a cached key depends on. Changes of an owner
// and of the owner's membership are reported under the id of the owner.
func about(key store.Key) string { return cmp.Or(key.Owner, key.Account) }

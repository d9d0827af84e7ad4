package apikey

import (
	"cmp"
	"log/slog"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

// Principal returns who a key stands for, as store.Keys.Find has found it: for
// explaining. It does not ask whether the key is live.
func (m *Manager) Principal(key store.Key, owner store.Owner) *authn.Principal {
	account := owner.Account
	p := &authn.Principal{
		Kind: authn.KindKey, ID: key.ID, Account: key.Account, User: key.Owner, Environment: key.Environment, Expires: key.Expires,
		Subject: key.Account + "/" + key.Environment, KeyPlan: key.Plan, AccountPlan: account.Plan, Limits: account.Limits,
		Family:    cmp.Or(key.Family, key.ID),
		Rights:    m.rights(key, owner),
		Addresses: key.Addresses,
	}
	if key.Plan != "" { // a plan of its own is a budget of its own, through all rotations
		p.Subject = p.Family
	}
	return p
}

// rights are what the key was given and, for a person's key, no more than that
// person may do at present. An owner who has left, or is not active, may do
// nothing.
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

// about is the third id that a cached key depends on: changes of its owner, and
// of the memberships of that owner, are reported by the id of the owner.
func about(key store.Key) string { return cmp.Or(key.Owner, key.Account) }

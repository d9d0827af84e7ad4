package apikey

import (
	"cmp"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

// Principal returns who a key stands for, as store.Keys.Find has found it: for
// explaining. It does not ask whether the key is live.
func (k *Manager) Principal(key store.Key, owner store.Owner) *authn.Principal {
	account := owner.Account
	p := &authn.Principal{
		Kind: authn.KindKey, ID: key.ID, Account: key.Account, User: key.Owner, Environment: key.Environment, Expires: key.Expires,
		Subject: key.Account + "/" + key.Environment, KeyPlan: key.Plan, AccountPlan: account.Plan, Limits: account.Limits,
		Rights:    k.rights(key, owner),
		Addresses: key.Addresses,
	}
	if key.Plan != "" { // a plan of its own is a budget of its own, through all rotations
		p.Subject = cmp.Or(key.Family, key.ID)
	}
	return p
}

// rights are what the key was given and, of a user's key, no more than the user
// may do at present. Whoever has left, or is not active, may do nothing.
func (k *Manager) rights(key store.Key, owner store.Owner) *authz.Rights {
	given := []authz.Grant{key.Grant}
	if key.Owner == "" {
		return k.config.Model.Rights(owner.Account.Status, given)
	}
	var role []authz.Grant
	if owner.User == authz.Active && owner.Membership.User != "" && k.config.Roles != nil {
		role = k.config.Roles(owner.Membership)
	}
	return k.config.Model.Rights(owner.Account.Status, given, role)
}

// about is the third id that what is known of a key is about: changes of its
// owner, and of his memberships, are told by his id.
func about(key store.Key) string { return cmp.Or(key.Owner, key.Account) }

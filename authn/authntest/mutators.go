package authntest

import (
	"errors"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

// A mutator changes something that a decision depends on. want is what a
// request with the credential is told afterwards: an error, or nil.
type mutator struct {
	name string
	do   func(n *node, c credential) error
	want error
}

// ofKeys change keys, through the manager and past it, in the store. A change
// past the manager is how another program, or an operator with SQL, would make
// it.
var ofKeys = []mutator{
	{"apikey.Manager.Revoke", func(n *node, c credential) error {
		return n.keys.Revoke(n.Context(), authn.Operator(account), c.id, "", time.Now())
	}, authn.ErrRevoked},
	{"apikey.Manager.RevokeAll", func(n *node, _ credential) error {
		_, err := n.keys.RevokeAll(n.Context(), authn.Operator(account), store.Filter{}, "", time.Now())
		return err
	}, authn.ErrRevoked},
	{"apikey.Manager.Rotate", func(n *node, c credential) error {
		_, _, err := n.keys.Rotate(n.Context(), authn.Operator(account), c.id, 0, time.Now().Add(-time.Second))
		return err
	}, authn.ErrExpired},
	{"apikey.Manager.Update", func(n *node, c credential) error {
		g := n.model.Everything()
		g.Scope["projects"] = authz.Of("p2")
		_, err := n.keys.Update(n.Context(), authn.Operator(account), c.id, apikey.Change{Grant: &g}, time.Now())
		return err
	}, errDenied},
	{"apikey.Manager.Update, disable", func(n *node, c credential) error {
		_, err := n.keys.Update(n.Context(), authn.Operator(account), c.id, apikey.Change{Disabled: new(true)}, time.Now())
		return err
	}, authn.ErrRevoked},
	{"KeyAdmin.Revoke", func(n *node, c credential) error {
		return n.KeyAdmin().Revoke(n.Context(), account, c.id, "", time.Now())
	}, authn.ErrRevoked},
	{"KeyAdmin.RevokeAll", func(n *node, _ credential) error {
		_, err := n.KeyAdmin().RevokeAll(n.Context(), account, store.Filter{Owner: user}, "", time.Now())
		return err
	}, authn.ErrRevoked},
	{"KeyAdmin.Update", func(n *node, c credential) error {
		k, err := n.KeyAdmin().Get(n.Context(), account, c.id)
		if err != nil {
			return err
		}
		_, err = n.KeyAdmin().Update(n.Context(), account, c.id, store.KeyUpdate{Was: k.Grant, Expires: new(time.Now().Add(-time.Second))}, time.Now())
		return err
	}, authn.ErrExpired},
	{"KeyAdmin.Prune", func(n *node, _ credential) error {
		_, err := n.KeyAdmin().Prune(n.Context(), time.Now().Add(1000*time.Hour), 1000)
		return err
	}, authn.ErrRejected},
	{"Keys.Rehash", func(n *node, c credential) error {
		k, err := n.KeyAdmin().Get(n.Context(), account, c.id)
		if err != nil {
			return err
		}
		return n.Keys().Rehash(n.Context(), c.id, k.Digest, n.peppers.Digest(n.live.Generate()))
	}, authn.ErrRejected},
}

// ofSessions change sessions, through the manager and past it.
var ofSessions = []mutator{
	{"session.Manager.Revoke", func(n *node, c credential) error { n.end(c); return nil }, authn.ErrRevoked},
	{"session.Manager.RevokeOthers", func(n *node, _ credential) error {
		p, err := n.principal(n.start(), time.Now())
		if err != nil {
			return err
		}
		_, err = n.sessions.RevokeOthers(n.Context(), p, time.Now())
		return err
	}, authn.ErrRevoked},
	{"session.Manager.RevokeAll", func(n *node, c credential) error {
		p, err := n.principal(c, time.Now())
		if err != nil {
			return err
		}
		return n.sessions.RevokeAll(n.Context(), p, time.Now())
	}, authn.ErrRevoked},
	{"session.Manager.Logout", func(n *node, c credential) error {
		return n.sessions.Logout(n.Context(), authn.NewCredential("session", c.token), time.Now())
	}, authn.ErrRevoked},
	{"Sessions.Revoke", func(n *node, c credential) error {
		return n.Sessions().Revoke(n.Context(), user, c.id, time.Now())
	}, authn.ErrRevoked},
	{"Sessions.RevokeAll", func(n *node, _ credential) error {
		_, err := n.Sessions().RevokeAll(n.Context(), user, "", time.Now())
		return err
	}, authn.ErrRevoked},
	{"Sessions.Prune", func(n *node, _ credential) error {
		_, err := n.Sessions().Prune(n.Context(), time.Now().Add(1000*time.Hour), 1000)
		return err
	}, authn.ErrRejected},
	{"Users.EndSessions", func(n *node, _ credential) error {
		_, err := n.Users().EndSessions(n.Context(), user)
		return err
	}, authn.ErrRevoked},
	{"Users.SetPassword", func(n *node, _ credential) error {
		u, err := n.Users().Get(n.Context(), user)
		if err != nil {
			return err
		}
		_, err = n.Users().SetPassword(n.Context(), u, u.Password+"x")
		return err
	}, authn.ErrRevoked},
}

// ofBoth change what keys and sessions depend on: the account, the user and the
// membership. mend takes the change back, so that the next mutator begins from
// the same state.
var ofBoth = []struct {
	name             string
	do, mend         func(n *node) error
	ofKey, ofSession error
}{
	{"Accounts.SetStatus", func(n *node) error { return n.Accounts().SetStatus(n.Context(), account, authz.Suspended) },
		func(n *node) error { return n.Accounts().SetStatus(n.Context(), account, authz.Active) }, errDenied, errDenied},
	{"Users.SetStatus", func(n *node) error { return n.Users().SetStatus(n.Context(), user, authz.Suspended) },
		func(n *node) error { return n.Users().SetStatus(n.Context(), user, authz.Active) }, errDenied, authn.ErrRevoked},
	{"Memberships.Put, role", func(n *node) error { return n.join(store.Membership{Role: "viewer"}) },
		func(n *node) error { return n.join(store.Membership{Role: "editor"}) }, errDenied, errDenied},
	{"Memberships.Put, scope", func(n *node) error {
		return n.join(store.Membership{Role: "editor", Scope: map[string]authz.Set{"projects": authz.Of("p2")}})
	}, func(n *node) error { return n.join(store.Membership{Role: "editor"}) }, errDenied, errDenied},
	{"Memberships.Remove", func(n *node) error { return n.Memberships().Remove(n.Context(), account, user) },
		func(n *node) error { return n.join(store.Membership{Role: "editor"}) }, errDenied, errDenied},
}

// join makes the user a member of the account, as m says.
func (n *node) join(m store.Membership) error {
	m.User, m.Account, m.Created = user, account, time.Now()
	return n.Memberships().Put(n.Context(), m)
}

// mutators makes every change on one node. As soon as another node has heard of
// a change, one request there must get the new answer. So no change is
// announced before it can be read, and what is read then is what was written. A
// new operation of the store needs a line in one of the tables above. case K11,
// case K12
func mutators(f *fleet) {
	a, b := f.node(), f.node()
	try := func(m mutator, c credential) {
		f.Helper()
		b.remember(c)
		f.must(m.do(a, c))
		b.hears(c)
		if err := b.enter(c, time.Now()); !errors.Is(err, m.want) {
			f.Errorf("after %s: %v, want %v", m.name, err, m.want)
		}
	}
	for _, m := range ofKeys {
		try(m, a.key())
	}
	for _, m := range ofSessions {
		try(m, a.start())
	}
	for _, m := range ofBoth {
		try(mutator{m.name + ", of a key", func(n *node, _ credential) error { return m.do(n) }, m.ofKey}, a.key())
		f.must(m.mend(a))
		try(mutator{m.name + ", of a session", func(n *node, _ credential) error { return m.do(n) }, m.ofSession}, a.start())
		f.must(m.mend(a))
	}
	plan := a.key()
	b.remember(plan)
	f.must(a.Accounts().SetPlan(f.Context(), account, "free", "1-M"))
	b.hears(plan)
	if p, err := b.principal(plan, time.Now()); err != nil || p.AccountPlan != "free" || p.Limits != "1-M" {
		f.Errorf("after Accounts.SetPlan: %+v, %v", p, err)
	}
}

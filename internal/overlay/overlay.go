// Package overlay replaces one part of a store, so that a test can observe it or make it
// fail:
//
//	s := overlay.Keys(db, &spy{Keys: db.Keys()})
package overlay

import (
	"context"

	"medtwin.ai/tollgate/store"
)

// Keys returns s with those Keys.
func Keys(s store.Store, with store.Keys) store.Store { return keys{s, with} }

type keys struct {
	store.Store
	with store.Keys
}

func (o keys) Keys() store.Keys { return o.with }

// KeyAdmin returns s with that KeyAdmin.
func KeyAdmin(s store.Store, with store.KeyAdmin) store.Store { return admin{s, with} }

type admin struct {
	store.Store
	with store.KeyAdmin
}

func (o admin) KeyAdmin() store.KeyAdmin { return o.with }

// Accounts returns s with those Accounts.
func Accounts(s store.Store, with store.Accounts) store.Store { return accounts{s, with} }

type accounts struct {
	store.Store
	with store.Accounts
}

func (o accounts) Accounts() store.Accounts { return o.with }

// Users returns s with those Users.
func Users(s store.Store, with store.Users) store.Store { return users{s, with} }

type users struct {
	store.Store
	with store.Users
}

func (o users) Users() store.Users { return o.with }

// Memberships returns s with those Memberships.
func Memberships(s store.Store, with store.Memberships) store.Store { return memberships{s, with} }

type memberships struct {
	store.Store
	with store.Memberships
}

func (o memberships) Memberships() store.Memberships { return o.with }

// Invitations returns s with those Invitations.
func Invitations(s store.Store, with store.Invitations) store.Store { return invitations{s, with} }

type invitations struct {
	store.Store
	with store.Invitations
}

func (o invitations) Invitations() store.Invitations { return o.with }

// Sessions returns s with those Sessions.
func Sessions(s store.Store, with store.Sessions) store.Store { return sessions{s, with} }

type sessions struct {
	store.Store
	with store.Sessions
}

func (o sessions) Sessions() store.Sessions { return o.with }

// Changes returns s with that stream of changes.
func Changes(s store.Store, with store.Changes) store.Store { return changes{s, with} }

type changes struct {
	store.Store
	with store.Changes
}

func (o changes) Watch(ctx context.Context, w store.Watcher) error { return o.with.Watch(ctx, w) }

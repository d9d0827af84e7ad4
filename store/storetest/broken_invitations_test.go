package storetest

import (
	"context"
	"errors"
	"maps"
	"strings"
	"sync"
	"time"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

// Mistakes with invitations.
var breakagesOfInvitations = []breakage{
	{1, "an invitation of no account is kept", "missing invitations are ErrNotFound", func(b Backend) Backend {
		return parts{Backend: b, invites: carelessInvitations{b.Invitations()}}
	}},
	{1, "invitations are listed from the first", "OfAccount pages invitations by ascending id", func(b Backend) Backend {
		return parts{Backend: b, invites: pagelessInvitations{b.Invitations()}}
	}},
	{2, "invitations are found by their id alone", "another account's invitation is as absent as a missing one", func(b Backend) Backend {
		return parts{Backend: b, invites: &globalInvitations{Invitations: b.Invitations(), accounts: map[string]string{}}}
	}},
	{3, "Prune takes invitations that are good", "Invitations.Prune deletes what expired long ago and nothing else", func(b Backend) Backend {
		return parts{Backend: b, invites: greedyInvitations{b.Invitations()}}
	}},
	{7, "invitations share their scope", "an invitation is copied in and out", func(b Backend) Backend {
		return parts{Backend: b, invites: &sharingInvitations{Invitations: b.Invitations()}}
	}},
	{20, "every invitation of an address is kept", "an account has one invitation for an address", func(b Backend) Backend {
		return parts{Backend: b, invites: hoardingInvitations{b.Invitations()}}
	}},
	{20, "an invitation can be accepted again", "an invitation is accepted as it says, once", func(b Backend) Backend {
		return parts{Backend: b, invites: lastingInvitations{b.Invitations()}}
	}},
	{20, "Accept forgets the scope", "an invitation is accepted as it says, once", func(b Backend) Backend {
		return parts{Backend: b, invites: twoStepInvitations{Invitations: b.Invitations(), b: b, scopeless: true}}
	}},
	{20, "an expired invitation is accepted", "an acceptance that fails changes nothing", func(b Backend) Backend {
		return parts{Backend: b, invites: patientInvitations{b.Invitations()}}
	}},
	{20, "Accept gives a member another role", "an acceptance that fails changes nothing", func(b Backend) Backend {
		return parts{Backend: b, invites: twoStepInvitations{Invitations: b.Invitations(), b: b}}
	}},
	{20, "Accept reads, then writes", "of many acceptances at once one succeeds", func(b Backend) Backend {
		return parts{Backend: b, invites: twoStepInvitations{Invitations: b.Invitations(), b: b, meet: newMeeting(2)}}
	}},
}

// Mistakes with Swap.
var breakagesOfSwap = []breakage{
	{21, "Swap reads the account of next", "Swap changes what the caller has read", func(b Backend) Backend {
		return parts{Backend: b, members: wideSwap{b.Memberships()}}
	}},
	{21, "Swap compares nothing", "Swap changes nothing that was changed meanwhile", func(b Backend) Backend {
		return parts{Backend: b, members: blindSwap{b.Memberships()}}
	}},
	{21, "Swap does not compare the scope", "Swap changes nothing that was changed meanwhile", func(b Backend) Backend {
		return parts{Backend: b, members: scopelessSwap{b.Memberships()}}
	}},
	{21, "Swap counts suspended users", "a role that is kept stays with an active member", func(b Backend) Backend {
		return parts{Backend: b, members: countingSwap{Memberships: b.Memberships()}}
	}},
	{21, "Swap counts, then writes", "of members who remove each other one stays", func(b Backend) Backend {
		return parts{Backend: b, members: countingSwap{Memberships: b.Memberships(), meet: newMeeting(4)}}
	}},
}

// A meeting holds the first callers up until so many have come, or for a moment,
// so that a race is lost whenever there is one.
type meeting struct {
	mu   sync.Mutex
	left int
	met  chan struct{}
}

func newMeeting(n int) *meeting { return &meeting{left: n, met: make(chan struct{})} }

func (m *meeting) wait() {
	if m == nil {
		return
	}
	m.mu.Lock()
	if m.left--; m.left == 0 {
		close(m.met)
	}
	m.mu.Unlock()
	select {
	case <-m.met:
	case <-time.After(100 * time.Millisecond):
	}
}

type carelessInvitations struct{ store.Invitations }

func (c carelessInvitations) Put(ctx context.Context, i store.Invitation) error {
	if err := c.Invitations.Put(ctx, i); !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return nil
}

type pagelessInvitations struct{ store.Invitations }

func (p pagelessInvitations) OfAccount(ctx context.Context, account, after string, limit int) ([]store.Invitation, error) {
	return p.Invitations.OfAccount(ctx, account, "", limit)
}

type globalInvitations struct {
	store.Invitations
	accounts map[string]string
}

func (g *globalInvitations) Put(ctx context.Context, i store.Invitation) error {
	err := g.Invitations.Put(ctx, i)
	if err == nil {
		g.accounts[i.ID] = i.Account
	}
	return err
}

func (g *globalInvitations) Accept(ctx context.Context, account, id, user string, now time.Time) (store.Membership, error) {
	return g.Invitations.Accept(ctx, g.accounts[id], id, user, now)
}

type greedyInvitations struct{ store.Invitations }

func (g greedyInvitations) Prune(ctx context.Context, before time.Time, most int) (int, error) {
	return g.Invitations.Prune(ctx, before.Add(time.Second), most)
}

// sharingInvitations returns the scope of the first it was asked for, always.
type sharingInvitations struct {
	store.Invitations
	scope map[string]authz.Set
}

func (s *sharingInvitations) Get(ctx context.Context, account, id string) (store.Invitation, error) {
	i, err := s.Invitations.Get(ctx, account, id)
	if s.scope == nil {
		s.scope = i.Scope
	}
	i.Scope = s.scope
	return i, err
}

// hoardingInvitations makes a new address of every one.
type hoardingInvitations struct{ store.Invitations }

const mark = "+number-"

func (h hoardingInvitations) Put(ctx context.Context, i store.Invitation) error {
	i.Email += mark + i.ID
	return h.Invitations.Put(ctx, i)
}

func (h hoardingInvitations) OfAccount(ctx context.Context, account, after string, limit int) ([]store.Invitation, error) {
	list, err := h.Invitations.OfAccount(ctx, account, after, limit)
	for i := range list {
		list[i].Email, _, _ = strings.Cut(list[i].Email, mark)
	}
	return list, err
}

type lastingInvitations struct{ store.Invitations }

func (l lastingInvitations) Accept(ctx context.Context, account, id, user string, now time.Time) (store.Membership, error) {
	i, err := l.Get(ctx, account, id)
	if err != nil {
		return store.Membership{}, err
	}
	m, err := l.Invitations.Accept(ctx, account, id, user, now)
	return m, errors.Join(err, l.Put(ctx, i))
}

// patientInvitations accepts whenever it is.
type patientInvitations struct{ store.Invitations }

func (p patientInvitations) Accept(ctx context.Context, account, id, user string, now time.Time) (store.Membership, error) {
	return p.Invitations.Accept(ctx, account, id, user, t0)
}

// twoStepInvitations puts the membership and then removes the invitation.
type twoStepInvitations struct {
	store.Invitations
	b         Backend
	scopeless bool
	meet      *meeting // after an invitation was read
}

func (t twoStepInvitations) Accept(ctx context.Context, account, id, user string, now time.Time) (store.Membership, error) {
	i, err := t.Get(ctx, account, id)
	switch {
	case err != nil:
		return store.Membership{}, err
	case i.Expired(now):
		return store.Membership{}, store.ErrNotFound
	}
	t.meet.wait()
	m := i.Membership(user, now)
	if t.scopeless {
		m.Scope = nil
	}
	if err := t.b.Memberships().Put(ctx, m); err != nil {
		return store.Membership{}, err
	}
	_ = t.Remove(ctx, account, id)
	return m, nil
}

// wideSwap puts next as it is.
type wideSwap struct{ store.Memberships }

func (w wideSwap) Swap(ctx context.Context, was store.Membership, next *store.Membership, keep string) error {
	if next != nil && next.Account != "" {
		return w.Put(ctx, *next)
	}
	return w.Memberships.Swap(ctx, was, next, keep)
}

// blindSwap replaces whatever is there.
type blindSwap struct{ store.Memberships }

func (b blindSwap) Swap(ctx context.Context, was store.Membership, next *store.Membership, keep string) error {
	now, err := b.Get(ctx, was.Account, was.User)
	if err != nil {
		return err
	}
	return b.Memberships.Swap(ctx, now, next, keep)
}

type scopelessSwap struct{ store.Memberships }

func (s scopelessSwap) Swap(ctx context.Context, was store.Membership, next *store.Membership, keep string) error {
	now, err := s.Get(ctx, was.Account, was.User)
	if err != nil {
		return err
	}
	was.Scope = maps.Clone(now.Scope)
	return s.Memberships.Swap(ctx, was, next, keep)
}

// countingSwap counts who has the role, whatever their status, and then swaps.
type countingSwap struct {
	store.Memberships
	meet *meeting // after it has counted
}

func (c countingSwap) Swap(ctx context.Context, was store.Membership, next *store.Membership, keep string) error {
	list, err := c.OfAccount(ctx, was.Account, "", 1000)
	if err != nil {
		return err
	}
	left := 0
	for _, m := range list {
		if m.User != was.User && m.Role == keep {
			left++
		}
	}
	if was.Role == keep && (next == nil || next.Role != keep) && left == 0 {
		return store.ErrLast
	}
	c.meet.wait()
	return c.Memberships.Swap(ctx, was, next, "")
}

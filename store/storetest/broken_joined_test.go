package storetest

import (
	"context"
	"errors"
	"time"

	"medtwin.ai/tollgate/store"
)

// Mistakes with keys of those who are no members.
var breakagesOfJoined = []breakage{
	{18, "Create asks for no membership", "a key is added for a member alone", func(b Backend) Backend {
		return parts{Backend: b, admin: strangersAdmin{b.KeyAdmin(), b, nil}}
	}},
	{18, "Rotate asks for no membership", "a key is added for a member alone", func(b Backend) Backend {
		return parts{Backend: b, admin: rotatingAdmin{b.KeyAdmin(), b}}
	}},
	{18, "Create asks for the membership before its transaction", "no key escapes the removal of its owner", func(b Backend) Backend {
		removed := make(chan struct{}, 1)
		admin := strangersAdmin{b.KeyAdmin(), b, func(ctx context.Context, k store.Key) error {
			_, err := b.Memberships().Get(ctx, k.Account, k.Owner)
			select { // the removal comes between
			case <-removed:
			case <-time.After(10 * time.Millisecond):
			}
			return err
		}}
		return parts{Backend: b, admin: admin, members: leavingMembers{b.Memberships(), removed}}
	}},
}

// Mistakes with password resets.
var breakagesOfResets = []breakage{
	{10, "SetPassword forgets the epoch", "a password is replaced by compare-and-swap", func(b Backend) Backend {
		return parts{Backend: b, users: epochlessUsers{b.Users()}}
	}},
	{11, "BeginReset reads before it counts", "every reset counts, and nothing else", func(b Backend) Backend {
		return parts{Backend: b, users: staleUsers{b.Users()}}
	}},
	{11, "BeginReset ends sessions", "an epoch grows with what ends sessions and nothing else", func(b Backend) Backend {
		return parts{Backend: b, users: endingUsers{b.Users()}}
	}},
}

type epochlessUsers struct{ store.Users }

func (u epochlessUsers) SetPassword(ctx context.Context, was store.User, next string) (int64, error) {
	now, err := u.Get(ctx, was.ID)
	if err != nil {
		return 0, err
	}
	was.Epoch = now.Epoch
	return u.Users.SetPassword(ctx, was, next)
}

type staleUsers struct{ store.Users }

func (u staleUsers) BeginReset(ctx context.Context, id string) (store.User, error) {
	before, err := u.Get(ctx, id)
	if err != nil {
		return store.User{}, err
	}
	_, err = u.Users.BeginReset(ctx, id)
	return before, err
}

type endingUsers struct{ store.Users }

func (u endingUsers) BeginReset(ctx context.Context, id string) (store.User, error) {
	if _, err := u.EndSessions(ctx, id); err != nil {
		return store.User{}, err
	}
	return u.Users.BeginReset(ctx, id)
}

// strangersAdmin adds keys for anybody whom ask, if there is one, has not
// refused.
type strangersAdmin struct {
	store.KeyAdmin
	b   Backend
	ask func(context.Context, store.Key) error
}

func (a strangersAdmin) Create(ctx context.Context, k store.Key, quota int, now time.Time) error {
	if a.ask != nil && k.Owner != "" {
		if err := a.ask(ctx, k); err != nil {
			return err
		}
	}
	return asMember(ctx, a.b, k.Account, k.Owner, store.ErrNotFound, func() error { return a.KeyAdmin.Create(ctx, k, quota, now) })
}

type rotatingAdmin struct {
	store.KeyAdmin
	b Backend
}

func (a rotatingAdmin) Rotate(ctx context.Context, account, id string, next store.Key, deadline, now time.Time) error {
	old, err := a.Get(ctx, account, id)
	if err != nil {
		return err
	}
	return asMember(ctx, a.b, account, old.Owner, store.ErrInactive, func() error {
		return a.KeyAdmin.Rotate(ctx, account, id, next, deadline, now)
	})
}

// asMember does something again where it is refused with that error, with the
// user as a member.
func asMember(ctx context.Context, b Backend, account, user string, refused error, do func() error) error {
	err := do()
	if user == "" || !errors.Is(err, refused) {
		return err
	}
	b.Users().Create(ctx, store.User{ID: user})
	if b.Memberships().Put(ctx, store.Membership{User: user, Account: account}) != nil {
		return err
	}
	defer b.Memberships().Remove(ctx, account, user)
	return do()
}

// leavingMembers tells one who waits for it of a Remove.
type leavingMembers struct {
	store.Memberships
	removed chan struct{}
}

func (m leavingMembers) Remove(ctx context.Context, account, user string) error {
	err := m.Memberships.Remove(ctx, account, user)
	select {
	case m.removed <- struct{}{}:
	default:
	}
	return err
}

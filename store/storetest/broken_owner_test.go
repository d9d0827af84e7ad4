package storetest

import (
	"context"
	"sync"
	"time"

	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

// Mistakes with whose a key is.
var breakagesOfOwners = []breakage{
	{1, "the scope of a membership is lost", "every field of a membership comes back", func(b Backend) Backend {
		return parts{Backend: b, members: wideMembers{b.Memberships()}}
	}},
	{4, "a new role keeps the old scope", "Put changes role and scope and nothing else", func(b Backend) Backend {
		return parts{Backend: b, members: narrowMembers{b.Memberships()}}
	}},
	{4, "a filter forgets the owner", "KeyAdmin.RevokeAll ends the keys that the filter means", func(b Backend) Backend {
		return parts{Backend: b, admin: ownerlessAdmin{b.KeyAdmin()}}
	}},
	{7, "reads share one membership", "a membership is copied in and out", func(b Backend) Backend {
		return parts{Backend: b, members: &sharingMembers{Memberships: b.Memberships()}}
	}},
	{14, "Find tells a stale membership", "Find tells the present state of the owner", func(b Backend) Backend {
		return finding(b, staleOwner())
	}},
	{14, "Find tells any membership of the owner", "Find tells what the key's owner is", func(b Backend) Backend {
		return finding(b, func(ctx context.Context, k store.Key, o store.Owner) (store.Owner, error) {
			list, err := b.Memberships().OfUser(ctx, k.Owner)
			if len(list) > 0 {
				o.Membership = list[0]
			}
			return o, err
		})
	}},
	{14, "Find tells what the maker is", "Find tells what the key's owner is", func(b Backend) Backend {
		return finding(b, func(ctx context.Context, k store.Key, o store.Owner) (store.Owner, error) {
			u, err := b.Users().Get(ctx, k.CreatedBy)
			o.User = u.Status
			return o, err
		})
	}},
	{14, "Find tells no scope", "Find tells what the key's owner is", func(b Backend) Backend {
		return finding(b, func(ctx context.Context, k store.Key, o store.Owner) (store.Owner, error) {
			o.Membership.Scope = nil
			return o, nil
		})
	}},
	{14, "Find tells no suspension", "Find tells the present state of the owner", func(b Backend) Backend {
		return finding(b, func(ctx context.Context, k store.Key, o store.Owner) (store.Owner, error) {
			if o.User != 0 {
				o.User = 1
			}
			return o, nil
		})
	}},
	{14, "Find asks twice", "Find answers of one instant", func(b Backend) Backend {
		signals := signallingMembers{b.Memberships(), make(chan struct{})}
		keys := tellKeys{b.Keys(), func(ctx context.Context, k store.Key, o store.Owner) (_ store.Owner, err error) {
			for range 3 { // writers come between
				select {
				case <-signals.put:
				case <-time.After(100 * time.Millisecond):
				}
			}
			o.Membership, err = b.Memberships().Get(ctx, k.Account, k.Owner)
			return o, err
		}}
		return parts{Backend: b, keys: keys, members: signals}
	}},
}

type wideMembers struct{ store.Memberships }

func (m wideMembers) Put(ctx context.Context, member store.Membership) error {
	member.Scope = nil
	return m.Memberships.Put(ctx, member)
}

type narrowMembers struct{ store.Memberships }

func (m narrowMembers) Put(ctx context.Context, member store.Membership) error {
	if old, err := m.Get(ctx, member.Account, member.User); err == nil {
		member.Scope = old.Scope
	}
	return m.Memberships.Put(ctx, member)
}

type ownerlessAdmin struct{ store.KeyAdmin }

func (a ownerlessAdmin) RevokeAll(ctx context.Context, account string, f store.Filter, reason string, now time.Time) (int, error) {
	f.Owner = ""
	return a.KeyAdmin.RevokeAll(ctx, account, f, reason, now)
}

type sharingMembers struct {
	store.Memberships
	kept []store.Membership
}

func (m *sharingMembers) Put(ctx context.Context, member store.Membership) error {
	m.kept = nil
	return m.Memberships.Put(ctx, member)
}

func (m *sharingMembers) OfUser(ctx context.Context, user string) (list []store.Membership, err error) {
	if m.kept == nil {
		m.kept, err = m.Memberships.OfUser(ctx, user)
	}
	return m.kept, err
}

// signallingMembers tells one who waits for it of a Put.
type signallingMembers struct {
	store.Memberships
	put chan struct{}
}

func (m signallingMembers) Put(ctx context.Context, member store.Membership) error {
	err := m.Memberships.Put(ctx, member)
	select {
	case m.put <- struct{}{}:
	default:
	}
	return err
}

// tellKeys alters what Find tells of owners.
type tellKeys struct {
	store.Keys
	tell func(context.Context, store.Key, store.Owner) (store.Owner, error)
}

func (k tellKeys) Find(ctx context.Context, d keyfmt.Digest) (store.Key, store.Owner, error) {
	key, o, err := k.Keys.Find(ctx, d)
	if err == nil {
		o, err = k.tell(ctx, key, o)
	}
	return key, o, err
}

func finding(b Backend, tell func(context.Context, store.Key, store.Owner) (store.Owner, error)) Backend {
	return parts{Backend: b, keys: tellKeys{b.Keys(), tell}}
}

// staleOwner remembers the first membership that it hears of.
func staleOwner() func(context.Context, store.Key, store.Owner) (store.Owner, error) {
	var mu sync.Mutex
	first := map[string]store.Membership{}
	return func(ctx context.Context, k store.Key, o store.Owner) (store.Owner, error) {
		mu.Lock()
		defer mu.Unlock()
		if first[k.ID].User == "" {
			first[k.ID] = o.Membership
		}
		o.Membership = first[k.ID]
		return o, nil
	}
}

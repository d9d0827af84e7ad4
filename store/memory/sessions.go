package memory

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

// mostListed is how many sessions List returns.
const mostListed = 1000

type sessions struct{ s *Store }

func (v sessions) Find(ctx context.Context, d keyfmt.Digest) (store.Session, error) {
	v.s.mu.RLock()
	defer v.s.mu.RUnlock()
	if o := v.s.tokens[d]; o != nil {
		return *o, nil
	}
	return store.Session{}, store.ErrNotFound
}

func (v sessions) Create(ctx context.Context, o store.Session) error {
	return v.s.change(func() ([]string, error) {
		if v.s.sessions[o.ID] != nil || v.s.tokens[o.Digest] != nil {
			return nil, store.ErrConflict
		}
		if len(v.s.sessions) >= v.s.maxSessions {
			return nil, fmt.Errorf("%w: it holds %d sessions", ErrFull, len(v.s.sessions))
		}
		o.Created, o.Seen, o.Expires, o.Revoked = utc(o.Created), utc(o.Seen), utc(o.Expires), utc(o.Revoked)
		v.s.sessions[o.ID], v.s.tokens[o.Digest] = &o, &o
		list := v.s.logins[o.User]
		i, _ := slices.BinarySearchFunc(list, o.ID, bySession)
		v.s.logins[o.User] = slices.Insert(list, i, &o)
		return []string{o.ID}, nil
	})
}

func (v sessions) Touch(ctx context.Context, uses []store.Use) error {
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	for _, u := range uses {
		o := v.s.sessions[u.ID]
		if o != nil && o.Revoked.IsZero() && u.At.After(o.Seen) {
			o.Seen = utc(u.At)
		}
	}
	return nil
}

func (v sessions) Get(ctx context.Context, user, id string) (store.Session, error) {
	v.s.mu.RLock()
	defer v.s.mu.RUnlock()
	o := v.s.sessions[id]
	if o == nil || o.User != user {
		return store.Session{}, store.ErrNotFound
	}
	return *o, nil
}

func (v sessions) List(ctx context.Context, user string) ([]store.Session, error) {
	v.s.mu.RLock()
	defer v.s.mu.RUnlock()
	list := v.s.logins[user]
	list = list[max(0, len(list)-mostListed):]
	newest := make([]store.Session, 0, len(list))
	for _, o := range slices.Backward(list) {
		newest = append(newest, *o)
	}
	return newest, nil
}

func (v sessions) Revoke(ctx context.Context, user, id string, now time.Time) error {
	return v.s.change(func() ([]string, error) {
		o := v.s.sessions[id]
		if o == nil || o.User != user {
			return nil, store.ErrNotFound
		}
		if !o.Revoked.IsZero() {
			return nil, nil
		}
		o.Revoked = utc(now)
		return []string{id}, nil
	})
}

func (v sessions) RevokeAll(ctx context.Context, user, but string, now time.Time) (int, error) {
	var ids []string
	err := v.s.change(func() ([]string, error) {
		for _, o := range v.s.logins[user] {
			if o.ID != but && o.Revoked.IsZero() {
				o.Revoked = utc(now)
				ids = append(ids, o.ID)
			}
		}
		return ids, nil
	})
	return len(ids), err
}

func (v sessions) Prune(ctx context.Context, before time.Time, most int) (int, error) {
	var ids []string
	err := v.s.change(func() ([]string, error) {
		for user, list := range v.s.logins {
			list = slices.DeleteFunc(list, func(o *store.Session) bool {
				if len(ids) >= most || !past(o.Expires, before) && !past(o.Revoked, before) {
					return false
				}
				delete(v.s.sessions, o.ID)
				delete(v.s.tokens, o.Digest)
				ids = append(ids, o.ID)
				return true
			})
			if v.s.logins[user] = list; len(list) == 0 {
				delete(v.s.logins, user)
			}
		}
		return ids, nil
	})
	return len(ids), err
}

func bySession(o *store.Session, id string) int { return cmp.Compare(o.ID, id) }

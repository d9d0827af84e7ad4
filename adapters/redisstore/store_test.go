package redisstore

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"medtwin.ai/tollgate/authn/authntest"
	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/memory"
	"medtwin.ai/tollgate/store/storetest"
)

// The suite covers, on every kind of Redis, case K11, case K12, case S7 and
// case S9, as far as they are those of sessions.
func TestSessions(t *testing.T) {
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			storetest.RunSessions(t, func(t *testing.T) storetest.SessionBackend { return open(t, b.client(t)) })
		})
	}
}

// Two stores behind one stream keep all the rules of one.
// case S11, for users and sessions in two places
func TestMixed(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) storetest.Backend {
		people := must(memory.New(memory.Config{}))(t)
		db := open(t, must(alone())(t).Client(t))
		return store.WithSessions(people, db.Sessions(), db)
	})
}

// Nodes that keep their sessions in one Redis, and all else in another store.
// The suite covers, on every kind of Redis, case K8, case K9, case K10, case
// K11, case K12, case S7, case S9, case S11 and case T8. Streams that are really
// cut and really hang are in cases_test.go, changes by hand there too, and case
// T8 of a Redis that is killed is in fault_test.go.
func TestManagers(t *testing.T) {
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			authntest.Run(t, func(t *testing.T) func() storetest.Backend {
				people, prefix := must(memory.New(memory.Config{}))(t), fmt.Sprintf("test%d:", opened.Add(1))
				all := &barrier{streams: map[*barred]bool{}}
				return func() storetest.Backend {
					s := open(t, b.client(t), func(c *Config) { c.Prefix, c.Heartbeat = prefix, time.Second })
					return ordered{store.WithSessions(people, s.Sessions(), watching{s, all}), s, all}
				}
			})
		})
	}
}

// ordered is a store with its sessions in Redis in which a watcher that hears of a
// new account has heard of all that was changed in Redis before, as in one store.
// The suite tells by it what was heard when.
type ordered struct {
	store.Store
	redis *Store
	*barrier
}

func (o ordered) Accounts() store.Accounts { return announced{o.Store.Accounts(), o} }

type announced struct {
	store.Accounts
	o ordered
}

func (a announced) Create(ctx context.Context, account store.Account) error {
	if err := a.o.pass(ctx, a.o.redis); err != nil {
		return err
	}
	return a.Accounts.Create(ctx, account)
}

// A barrier is passed when every stream that is up has heard what was said in
// Redis before.
type barrier struct {
	mu      sync.Mutex
	passes  int
	streams map[*barred]bool
}

// pass says the same at every master. Each listener of a stream hears all of them,
// the one at that master and those that it passes messages on to, and none is
// overtaken by what was said there before.
func (b *barrier) pass(ctx context.Context, s *Store) error {
	masters, err := s.masters(ctx)
	if err != nil {
		return err
	}
	b.mu.Lock()
	b.passes++
	id := fmt.Sprint("barrier", b.passes)
	var passed []chan struct{}
	for w := range b.streams {
		w.id, w.left, w.passed = id, len(masters)*len(masters), make(chan struct{})
		passed = append(passed, w.passed)
	}
	b.mu.Unlock()
	for _, m := range masters {
		if err := m.node.Publish(ctx, s.names.changes(), id).Err(); err != nil {
			return err
		}
	}
	for _, p := range passed {
		select {
		case <-p:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// watching has streams that are barred.
type watching struct {
	store.Changes
	*barrier
}

func (c watching) Watch(ctx context.Context, w store.Watcher) error {
	b := &barred{Watcher: w, barrier: c.barrier}
	defer b.end()
	return c.Changes.Watch(ctx, b)
}

// A barred watcher counts how often it still has to hear an id.
type barred struct {
	store.Watcher
	*barrier
	id     string
	left   int
	passed chan struct{} // closed: often enough, or it has ended
}

func (b *barred) Gap() {
	b.mu.Lock()
	b.streams[b] = true
	b.mu.Unlock()
	b.Watcher.Gap()
}

func (b *barred) Forget(id string) {
	b.mu.Lock()
	ours := id == b.id && b.left > 0
	if ours {
		b.left--
		if b.left == 0 {
			close(b.passed)
		}
	}
	b.mu.Unlock()
	if !ours {
		b.Watcher.Forget(id)
	}
}

func (b *barred) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.streams, b)
	if b.left > 0 {
		close(b.passed)
		b.left = 0
	}
}

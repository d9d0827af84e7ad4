package authntest

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/memory"
	"medtwin.ai/tollgate/store/storetest"
)

// The suite covers, on this backend, case K8, case K9, case K10, case K11, case
// K12, case S7, case S9, case S11 and case T8.
func TestMemory(t *testing.T) {
	Run(t, func(t *testing.T) func() storetest.Backend {
		s, err := memory.New(memory.Config{})
		if err != nil {
			t.Fatal(err)
		}
		return func() storetest.Backend { return s }
	})
}

// A trial is a testing.T of a check that may fail.
type trial struct {
	*testing.T
	mu     sync.Mutex
	failed []string
}

func (t *trial) Errorf(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failed = append(t.failed, fmt.Sprintf(format, args...))
}

func (t *trial) Fatalf(format string, args ...any) {
	t.Errorf(format, args...)
	runtime.Goexit()
}

// broken is a backend with a fault.
type broken struct {
	storetest.Backend
	keys     func(store.Keys) store.Keys
	sessions func(store.Sessions) store.Sessions
	watch    func(ctx context.Context, w store.Watcher, from store.Changes) error
}

func (b broken) Keys() store.Keys {
	if b.keys == nil {
		return b.Backend.Keys()
	}
	return b.keys(b.Backend.Keys())
}

func (b broken) Sessions() store.Sessions {
	if b.sessions == nil {
		return b.Backend.Sessions()
	}
	return b.sessions(b.Backend.Sessions())
}

func (b broken) Watch(ctx context.Context, w store.Watcher) error {
	if b.watch == nil {
		return b.Backend.Watch(ctx, w)
	}
	return b.watch(ctx, w, b.Backend)
}

// A reviver brings back what is revoked, once anything has been used.
type reviver struct {
	store.Keys
	used *atomic.Bool
}

func (r reviver) Touch(ctx context.Context, uses []store.Use) error {
	r.used.Store(true)
	return r.Keys.Touch(ctx, uses)
}

func (r reviver) Find(ctx context.Context, d keyfmt.Digest) (store.Key, store.Owner, error) {
	k, o, err := r.Keys.Find(ctx, d)
	if r.used.Load() {
		k.Revoked, k.Disabled = time.Time{}, time.Time{}
	}
	return k, o, err
}

// present has sessions be of whatever epoch.
type present struct{ store.Sessions }

func (p present) Create(ctx context.Context, s store.Session) error {
	s.Epoch += 1
	return p.Sessions.Create(ctx, s)
}

// rewriter keeps sessions as they were when they were first read. Only their last
// use is taken from the latest call.
type rewriter struct {
	store.Sessions
	seen *sync.Map
}

func (r rewriter) Touch(_ context.Context, uses []store.Use) error {
	for _, u := range uses {
		r.seen.Store(u.ID, u.At)
	}
	return nil
}

func (r rewriter) Get(ctx context.Context, user, id string) (store.Session, error) {
	s, err := r.Sessions.Get(ctx, user, id)
	if at, ok := r.seen.Load(id); ok {
		s.Seen, s.Revoked = at.(time.Time), time.Time{}
	}
	return s, err
}

// lossy records no use.
type lossy struct{ store.Keys }

func (lossy) Touch(context.Context, []store.Use) error { return nil }

// A late store answers for a while what was true before.
type late struct {
	store.Keys
	last *sync.Map
}

func (l late) Find(ctx context.Context, d keyfmt.Digest) (store.Key, store.Owner, error) {
	k, o, err := l.Keys.Find(ctx, d)
	type answer struct {
		k store.Key
		o store.Owner
	}
	if err != nil {
		return k, o, err
	}
	before, ok := l.last.Swap(d, answer{k, o})
	if ok {
		return before.(answer).k, before.(answer).o, nil
	}
	return k, o, nil
}

// deaf says that all is well, whatever happens.
type deaf struct{ store.Watcher }

func (deaf) Forget(string) {}

// forgetful says so only of accounts.
type forgetful struct{ store.Watcher }

func (f forgetful) Forget(id string) {
	if strings.HasPrefix(id, "acct_marker") {
		f.Watcher.Forget(id)
	}
}

// The suite fails what is broken.
func TestBroken(t *testing.T) {
	watch := func(through func(store.Watcher) store.Watcher) func(context.Context, store.Watcher, store.Changes) error {
		return func(ctx context.Context, w store.Watcher, from store.Changes) error {
			return from.Watch(ctx, through(w))
		}
	}
	for _, tt := range []struct {
		name   string
		checks []string // that must fail
		fault  broken
	}{
		{"none", nil, broken{}},
		{"deaf", []string{"K8", "K9", "K10", "K11", "S7"}, broken{watch: watch(func(w store.Watcher) store.Watcher { return deaf{w} })}},
		{"half", []string{"K8", "K9", "K10", "K11", "S7"}, broken{watch: watch(func(w store.Watcher) store.Watcher { return forgetful{w} })}},
		{"reviver", []string{"K8"}, broken{keys: func(k store.Keys) store.Keys { return reviver{k, new(atomic.Bool)} }}},
		{"stale", []string{"K11"}, broken{keys: func(k store.Keys) store.Keys { return late{k, new(sync.Map)} }}},
		{"epoch", []string{"S11"}, broken{sessions: func(s store.Sessions) store.Sessions { return present{s} }}},
		{"rewrite", []string{"S7", "S9"}, broken{sessions: func(s store.Sessions) store.Sessions { return rewriter{s, new(sync.Map)} }}},
		{"lossy", []string{"T8"}, broken{keys: func(k store.Keys) store.Keys { return lossy{k} }}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, c := range checks {
				number, _, _ := strings.Cut(strings.ReplaceAll(c.name, ",", " "), " ")
				want := slices.Contains(tt.checks, number)
				if !want && tt.checks != nil {
					continue
				}
				s, err := memory.New(memory.Config{})
				if err != nil {
					t.Fatal(err)
				}
				fault := tt.fault
				fault.Backend = s
				once(&fault)
				try := &trial{T: t}
				done := make(chan struct{})
				go func() {
					defer close(done)
					c.run(newFleet(try, func() storetest.Backend { return fault }, 300*time.Millisecond))
				}()
				<-done
				if (len(try.failed) > 0) != want {
					t.Errorf("%s: %q", c.name, try.failed)
				}
			}
		})
	}
}

// once has all nodes share one faulty store, as they share the database.
func once(b *broken) {
	if b.keys != nil {
		k := b.keys(b.Backend.Keys())
		b.keys = func(store.Keys) store.Keys { return k }
	}
	if b.sessions != nil {
		s := b.sessions(b.Backend.Sessions())
		b.sessions = func(store.Sessions) store.Sessions { return s }
	}
}

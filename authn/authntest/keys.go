package authntest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authn/session"
	"medtwin.ai/tollgate/internal/overlay"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

// stays ends a credential while two nodes verify it and record its uses, for
// keys that are revoked, keys that are disabled, and sessions. Once a node has
// refused the credential, it must never let it pass again. A backend whose
// touch writes back a record that it read before, or a cache that stores an
// answer which was read before the end, lets it pass again. case K8
func stays(f *fleet) {
	a, b := f.node(), f.node()
	disable := func(c credential) {
		_, err := a.keys.Update(f.Context(), authn.Operator(account), c.id, apikey.Change{Disabled: new(true)}, time.Now())
		f.must(err)
	}
	for _, tt := range []struct {
		name string
		make func() credential
		end  func(credential)
	}{
		{"revoked", a.key, a.end},
		{"disabled", a.key, disable},
		{"logged out", a.start, a.end},
	} {
		c := tt.make()
		b.remember(c)
		ctx, stop := context.WithCancel(f.Context())
		var load sync.WaitGroup
		var passed, refused, used atomic.Int64
		for _, n := range []*node{a, b} {
			var ended atomic.Bool
			for range 3 {
				// Requests with the credential. From its first refusal on, each
				// of them must be refused on this node.
				load.Go(func() {
					for ctx.Err() == nil {
						before := ended.Load()
						switch err := n.enter(c, time.Now()); {
						case err == nil && before:
							f.Errorf("%s: a credential has come back", tt.name)
							return
						case err == nil:
							passed.Add(1)
						case errors.Is(err, authn.ErrRevoked):
							ended.Store(true)
							refused.Add(1)
						case ctx.Err() == nil:
							f.Errorf("%s: a request: %v", tt.name, err)
							return
						}
					}
				})
			}
			load.Go(func() {
				for i := 0; ctx.Err() == nil; i++ {
					if err := n.touch(ctx, c, time.Now().Add(time.Duration(i)*time.Second)); err != nil && ctx.Err() == nil {
						f.Errorf("%s: a use: %v", tt.name, err)
						return
					}
					used.Add(1)
				}
			})
		}
		f.until("requests pass and uses are recorded", func() bool { return passed.Load() > 100 && used.Load() > 10 })
		// The node that ends the credential refuses it at once. The other one
		// does so when it has heard of it.
		tt.end(c)
		if err := a.enter(c, time.Now()); !errors.Is(err, authn.ErrRevoked) {
			f.Errorf("%s: where it was ended, the next request: %v, want ErrRevoked", tt.name, err)
		}
		enough := refused.Load() + 2000
		f.until("requests are refused", func() bool { return refused.Load() > enough })
		b.hears(c)
		if err := b.enter(c, time.Now()); !errors.Is(err, authn.ErrRevoked) {
			f.Errorf("%s: elsewhere: %v, want ErrRevoked", tt.name, err)
		}
		stop()
		load.Wait()
	}
}

// touch records a use in the store, past the manager, so that the write meets
// the end of the credential.
func (n *node) touch(ctx context.Context, c credential, at time.Time) error {
	uses := []store.Use{{ID: c.id, At: at}}
	if c.session {
		return n.Sessions().Touch(ctx, uses)
	}
	return n.Keys().Touch(ctx, uses)
}

// bound ends a credential on one node. Another node that hears of it refuses it
// at once. A node whose stream was cut, or hangs, refuses it when the bound has
// passed. It lets the credential pass until then, which shows that the check
// would notice a missing bound. case K9
func bound(f *fleet) {
	for _, tt := range []struct {
		name  string
		spoil func(*wire)
	}{{"up", nil}, {"cut", (*wire).sever}, {"hung", (*wire).hang}} {
		a, b := f.node(), f.node()
		both := []credential{a.key(), a.start()}
		// Both nodes know both credentials before the stream is spoiled.
		f.waitHeard()
		for _, c := range both {
			f.must(b.enter(c, time.Now()))
		}
		if tt.spoil != nil {
			tt.spoil(b.wire)
		}
		for _, c := range both {
			a.end(c)
			asked := time.Now()
			if tt.spoil == nil {
				b.hears(c)
			} else {
				if err := b.enter(c, asked); err != nil {
					f.Errorf("%s: %v: it was not remembered, so this shows nothing of the bound", tt.name, err)
				}
				asked = asked.Add(max(b.keys.MaxRevocationDelay(), b.sessions.MaxRevocationDelay()))
			}
			if err := b.enter(c, asked); !errors.Is(err, authn.ErrRevoked) {
				f.Errorf("%s: %v, want ErrRevoked", tt.name, err)
			}
		}
		a.stop()
		b.stop()
		f.nodes = nil
	}
}

// A gate delays an answer of the store that has already been read. So a check
// can change the record between the read and the arrival of its answer.
type gate struct {
	shut         atomic.Bool
	read, letOut chan struct{}
}

// pass waits if the gate is shut, once.
func (g *gate) pass() {
	if g.shut.CompareAndSwap(true, false) {
		g.read <- struct{}{}
		<-g.letOut
	}
}

// gatedKeys are Keys whose answers pass a gate.
type gatedKeys struct {
	store.Keys
	*gate
}

// Find implements [store.Keys].
func (g gatedKeys) Find(ctx context.Context, d keyfmt.Digest) (store.Key, store.Owner, error) {
	k, o, err := g.Keys.Find(ctx, d)
	g.pass()
	return k, o, err
}

// gatedSessions are Sessions whose answers pass a gate.
type gatedSessions struct {
	store.Sessions
	*gate
}

// Find implements [store.Sessions].
func (g gatedSessions) Find(ctx context.Context, d keyfmt.Digest) (store.Session, error) {
	s, err := g.Sessions.Find(ctx, d)
	g.pass()
	return s, err
}

// gated opens a node whose reads of the store can be held back. The time-outs
// are long, so that a delayed answer is not taken for an outage.
func (f *fleet) gated() (*node, *gate) {
	g := &gate{read: make(chan struct{}), letOut: make(chan struct{})}
	return f.node(func(k *apikey.Config, s *session.Config) {
		k.Store = overlay.Keys(k.Store, gatedKeys{k.Store.Keys(), g})
		s.Store = overlay.Sessions(s.Store, gatedSessions{s.Store.Sessions(), g})
		k.Timeout, s.Timeout = time.Minute, time.Minute
	}), g
}

// inFlight ends a credential on one node while another node has already read
// it, and has not yet cached what it read. The request in flight may still
// pass. The next one must not: the answer that arrives late must not be cached
// as a good one. case K10
func inFlight(f *fleet) {
	a := f.node()
	late, g := f.gated()
	for _, tt := range []struct {
		name string
		c    credential
	}{{"key", a.key()}, {"session", a.start()}} {
		f.waitHeard()
		g.shut.Store(true)
		done := make(chan error)
		go func() { done <- late.enter(tt.c, time.Now()) }()
		<-g.read
		a.end(tt.c)
		late.hears(tt.c)
		g.letOut <- struct{}{}
		if err := <-done; err != nil {
			f.Errorf("%s: the request under way: %v, so this shows nothing", tt.name, err)
		}
		if err := late.enter(tt.c, time.Now()); !errors.Is(err, authn.ErrRevoked) {
			f.Errorf("%s: the next request: %v, want ErrRevoked", tt.name, err)
		}
	}
}

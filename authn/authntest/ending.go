package authntest

import (
	"errors"
	"slices"
	"sync"
	"time"

	"medtwin.ai/tollgate/authn"
)

// ending stops a node while it makes, uses and revokes credentials. Whatever
// the node has acknowledged by then must be in the database, and so must the
// uses that it was still going to write. case T8
func ending(f *fleet) {
	n := f.node()
	later := time.Now().Add(12 * time.Hour) // of another window than the beginning of a session
	type fate struct {
		credential
		revoked bool
	}
	var mu sync.Mutex
	var all []fate
	var load sync.WaitGroup
	// hold tells whether two keys, or two sessions, are there whose use must be
	// recorded.
	hold := func(all []fate, session bool) bool {
		n := 0
		for _, c := range all {
			if c.session == session && !c.revoked {
				n++
			}
		}
		return n >= 2
	}
	for g := range 4 {
		load.Go(func() {
			for i := range 12 {
				c := n.key()
				if g%2 == 0 {
					c = n.start()
				}
				if err := n.enter(c, later); err != nil {
					f.Errorf("a request: %v", err)
				}
				one := fate{c, i%3 == 0}
				if one.revoked {
					n.end(c)
				}
				mu.Lock()
				all = append(all, one)
				mu.Unlock()
			}
		})
	}
	var done []fate
	f.until("keys and sessions are in use", func() bool {
		mu.Lock()
		defer mu.Unlock()
		done = slices.Clone(all)
		return hold(done, false) && hold(done, true)
	})
	// The credentials of done were acknowledged before the node was told to
	// stop, so all of them must be found by the next node.
	n.stop() // while others come
	load.Wait()
	next := f.node()
	for _, c := range done {
		var seen time.Time
		if c.session {
			seen = next.stored(c.credential).Seen
		} else {
			k, err := next.KeyAdmin().Get(f.Context(), account, c.id)
			f.must(err)
			seen = k.Used
		}
		if !c.revoked && later.Sub(seen) > time.Second {
			f.Errorf("%s was used at %v, and is said to have been at %v", c.id, later, seen)
		}
		if err := next.enter(c.credential, later); c.revoked != errors.Is(err, authn.ErrRevoked) || !c.revoked && err != nil {
			f.Errorf("%s, revoked %v: %v", c.id, c.revoked, err)
		}
	}
}

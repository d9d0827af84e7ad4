package pgstore

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"medtwin.ai/tollgate/store"
)

// The suite runs within one store. Here two of them, as two processes would,
// work on one database at once: nobody fails for a lock, and the quota holds.
// case K22
func TestTwoStoresTogether(t *testing.T) {
	const keys, allowed = 12, 5
	ctx, c := t.Context(), config(t)
	stores := []*Store{open(t, c), open(t, c)}
	newAccount(t, stores[0])

	var mu sync.Mutex
	created, refused := 0, 0
	var wg sync.WaitGroup
	for i, s := range stores {
		for n := range keys {
			k := newKey(i*keys + n)
			wg.Go(func() {
				err := s.KeyAdmin().Create(ctx, k, allowed, t0)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					created++
				case errors.Is(err, store.ErrQuota):
					refused++
				default:
					t.Errorf("Create: %v", err)
				}
			})
			wg.Go(func() {
				if _, _, err := s.Keys().Find(ctx, k.Digest); err != nil && !errors.Is(err, store.ErrNotFound) {
					t.Errorf("Find: %v", err)
				}
				if _, err := s.KeyAdmin().List(ctx, "acct_1", "", 100); err != nil {
					t.Errorf("List: %v", err)
				}
				if err := s.Keys().Touch(ctx, []store.Use{{ID: k.ID, At: t0.Add(time.Hour)}}); err != nil {
					t.Errorf("Touch: %v", err)
				}
			})
		}
	}
	wg.Wait()
	if created != allowed || refused != 2*keys-allowed {
		t.Errorf("%d created and %d refused under a quota of %d", created, refused, allowed)
	}
	for _, s := range stores {
		if list, err := s.KeyAdmin().List(ctx, "acct_1", "", 100); err != nil || len(list) != allowed {
			t.Errorf("a store lists %d keys, error %v; want %d", len(list), err, allowed)
		}
	}
}

// Calls that lock several rows do so in one order, whatever the order of the
// rows on the disk or in the call: none waits for another in a circle.
func TestNoDeadlock(t *testing.T) {
	const keys, rounds = 60, 25
	ctx, c := t.Context(), config(t)
	stores := []*Store{open(t, c), open(t, c)}
	s := stores[0]
	newAccount(t, s)
	var forth []store.Use
	for n := keys; n > 0; n-- { // on the disk from the last to the first
		old, next := newKey(2*n), newKey(2*n+1)
		next.Replaces, next.Grace = old.ID, time.Hour
		o := newSession(n)
		if err := errors.Join(s.KeyAdmin().Create(ctx, old, 0, t0), s.KeyAdmin().Create(ctx, next, 0, t0), s.Sessions().Create(ctx, o)); err != nil {
			t.Fatal(err)
		}
		forth = append(forth, store.Use{ID: old.ID}, store.Use{ID: next.ID}, store.Use{ID: o.ID})
	}
	at := func(uses []store.Use, round int) []store.Use {
		uses = slices.Clone(uses)
		for i := range uses {
			uses[i].At = t0.Add(time.Duration(round) * time.Second)
		}
		return uses
	}
	back := slices.Clone(forth)
	slices.Reverse(back)

	var wg sync.WaitGroup
	do := func(what string, f func(s *Store, round int) error) {
		for _, s := range stores {
			wg.Go(func() {
				for round := range rounds {
					if err := f(s, round); err != nil {
						t.Errorf("%s: %v", what, err)
						return
					}
				}
			})
		}
	}
	do("Touch forth", func(s *Store, round int) error { return s.Keys().Touch(ctx, at(forth, 2*round)) })
	do("Touch back", func(s *Store, round int) error { return s.Keys().Touch(ctx, at(back, 2*round+1)) })
	do("Sessions.Touch forth", func(s *Store, round int) error { return s.Sessions().Touch(ctx, at(forth, 2*round)) })
	do("Sessions.Touch back", func(s *Store, round int) error { return s.Sessions().Touch(ctx, at(back, 2*round+1)) })
	do("BeginGrace", func(s *Store, round int) error {
		err := s.Keys().BeginGrace(ctx, newKey(2*(round+1)+1).ID, t0)
		if errors.Is(err, store.ErrNotFound) { // it was revoked, and pruned
			return nil
		}
		return err
	})
	do("RevokeAll", func(s *Store, round int) error {
		_, err := s.KeyAdmin().RevokeAll(ctx, "acct_1", store.Filter{CreatedBefore: t0.Add(time.Duration(round-rounds+2) * time.Hour)}, "", t0.Add(rounds/2*time.Minute))
		return err
	})
	do("Sessions.RevokeAll", func(s *Store, round int) error {
		if round < rounds-1 {
			return nil
		}
		_, err := s.Sessions().RevokeAll(ctx, "user_1", fmt.Sprint("ses_", round), t0)
		return err
	})
	do("Prune", func(s *Store, round int) error {
		_, err := s.KeyAdmin().Prune(ctx, t0.Add(time.Duration(round)*time.Minute), 1000)
		_, errSessions := s.Sessions().Prune(ctx, t0.Add(time.Duration(round)*time.Minute), 1000)
		return errors.Join(err, errSessions)
	})
	wg.Wait() // Postgres ends a circle with an error for one in it
}

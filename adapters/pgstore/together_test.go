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

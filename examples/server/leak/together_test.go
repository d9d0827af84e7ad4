package leak_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"medtwin.ai/tollgate/examples/server/database/databasetest"
	"medtwin.ai/tollgate/examples/server/leak"
)

// both are the receivers of two processes on one Postgres.
func both(t *testing.T, src *source) (b [2]*server) {
	t.Helper()
	name := databasetest.Postgres(t, "pool_max_conns=8")
	for i := range b {
		b[i] = newServer(t, src.URL, func(c *leak.Config) {
			db, err := databasetest.Open(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { db.Close() })
			c.DB = db
		})
		b[i].db, b[i].name = b[i].DB(), name
	}
	return b
}

// case T5: what waits is handled once, whichever process does it, and by one
// at a time.
func TestTwoProcesses(t *testing.T) {
	key := newKey(t)
	src := newSource(t, nil)
	src.set(true, nil)
	b := both(t, src)
	const reports = 60
	for i := range reports {
		if a := b[i%2].signed(t, "k1", key, fmt.Sprintf(`[{"token":"mt_live_%d"}]`, i)); a.status != 202 {
			t.Fatal(a.status)
		}
	}
	src.set(false, map[string]string{"k1": encode(t, key.Public())})
	var all sync.WaitGroup
	for _, s := range b {
		s.clock.Add(leak.Pause)
		for range 4 {
			all.Go(func() {
				if err := s.CatchUp(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
	}
	all.Wait()
	told := b[0].told()
	for token, calls := range b[1].told() {
		told[token] = append(told[token], calls...)
	}
	for token, calls := range told {
		if len(calls) != 1 {
			t.Errorf("%s is told %d times", token, len(calls))
		}
	}
	if n := b[0].rows(t); n != 0 || len(told) != reports {
		t.Errorf("%d told of %d, %d still wait", len(told), reports, n)
	}
}

// A report whose process is killed while it handles it is handled by another,
// after a minute; one whose process is told to stop, at once; and one that takes
// long stays whose it is.
func TestHandOver(t *testing.T) {
	key := newKey(t)
	src := newSource(t, nil)
	src.set(true, nil)
	b := both(t, src)
	b[0].signed(t, "k1", key, `[{"token":"1"},{"token":"2"},{"token":"3"},{"token":"4"}]`)
	src.set(false, map[string]string{"k1": encode(t, key.Public())})
	for _, s := range b {
		s.clock.Add(leak.Pause)
	}
	catchUp := func(s *server, want int, when string) {
		t.Helper()
		if err := s.CatchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := len(b[1].told()); n != want {
			t.Errorf("%s the other process is told of %d tokens, want %d", when, n, want)
		}
	}
	// It takes 40 seconds for each token, of which another process must see
	// nothing.
	b[0].each = func(token string) error {
		for _, s := range b {
			s.clock.Add(40 * time.Second)
		}
		catchUp(b[1], 0, "during token "+token)
		if token == "3" {
			return errors.New("an outage")
		}
		return nil
	}
	if err := b[0].CatchUp(t.Context()); err == nil || b[0].rows(t) != 1 {
		t.Fatalf("%v, %d wait", err, b[0].rows(t))
	}

	ctx, stop := context.WithCancel(t.Context())
	b[0].each = func(string) error { stop(); return nil }
	if err := b[0].CatchUp(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if err := b[0].Hold(t.Context()); err != nil { // and dies
		t.Fatalf("stopped, and the report is not free: %v", err)
	}
	catchUp(b[1], 0, "at once")
	b[1].clock.Add(leak.Lease)
	catchUp(b[1], 4, "after a minute")
	if n := b[1].rows(t); n != 0 {
		t.Errorf("%d wait", n)
	}
}

// The room for what waits is bounded for all processes together.
func TestRoomOfTwoProcesses(t *testing.T) {
	src := newSource(t, nil)
	src.set(true, nil)
	b := both(t, src)
	b[0].fill(t, leak.MaxWaiting-5, 10, "")
	key := newKey(t)
	var all sync.WaitGroup
	for i := range 20 {
		for n, s := range b {
			all.Go(func() {
				if a := s.signed(t, "k1", key, fmt.Sprintf(`[{"token":"%d.%d"}]`, n, i)); a.status != 202 && a.status != 503 {
					t.Errorf("%d %s", a.status, a.body)
				}
			})
		}
	}
	all.Wait()
	if n := b[0].rows(t); n != leak.MaxWaiting {
		t.Errorf("%d wait, want %d", n, leak.MaxWaiting)
	}
}

package database_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"medtwin.ai/tollgate/examples/server/database"
	"medtwin.ai/tollgate/examples/server/database/databasetest"
	"medtwin.ai/tollgate/secretscan"
)

var room, share = secretscan.Room{Reports: 10, Bytes: 1000}, secretscan.Room{Reports: 4, Bytes: 400}

// waiting returns a report that came so many seconds after t0.
func waiting(name, origin string, seconds, size int) secretscan.Waiting {
	id := sha256.Sum256([]byte(name))
	return secretscan.Waiting{ID: id[:], Origin: origin, Received: t0.Add(time.Duration(seconds) * time.Second), Sealed: bytes.Repeat([]byte{7}, size)}
}

// names returns which of the reports wait, in their order.
func names(t *testing.T, store secretscan.Store, all map[string]secretscan.Waiting) (list []string) {
	t.Helper()
	var w secretscan.Waiting
	for {
		next, err := store.Next(t.Context(), w, t0.Add(time.Hour))
		must(t, err)
		if next.ID == nil {
			return list
		}
		found := "?"
		for name, w := range all {
			if cmp.Equal(w, next) {
				found = name
			}
		}
		list, w = append(list, found), next
	}
}

// case T5: the oldest report of the network that takes the most room is dropped, and a
// verified one never.
func TestLeakReportsFlood(t *testing.T) {
	type sent struct {
		name, origin string
		size         int
		dropped      int
		err          error
	}
	many := func(n int, origin string, size int) (list []sent) {
		for i := range n {
			list = append(list, sent{name: fmt.Sprint(origin, i), origin: origin, size: size})
		}
		return list
	}
	for _, tt := range []struct {
		name string
		sent []sent // one a second
		want []string
	}{
		{"twice", []sent{{name: "a"}, {name: "b", origin: "n"}, {name: "a"}, {name: "b", origin: "n"}}, []string{"a", "b"}},
		{"share of reports", append(many(4, "n", 1), sent{name: "n4", origin: "n", err: secretscan.ErrFull}, sent{name: "m", origin: "m"}),
			[]string{"n0", "n1", "n2", "n3", "m"}},
		{"share of bytes", append(many(2, "n", 200), sent{name: "n2", origin: "n", size: 1, err: secretscan.ErrFull}), []string{"n0", "n1"}},
		{"all reports", append(append(many(4, "x", 1), append(many(3, "y", 1), many(3, "", 1)...)...), sent{name: "new", origin: "z", dropped: 1}),
			[]string{"x1", "x2", "x3", "y0", "y1", "y2", "0", "1", "2", "new"}},
		{"all bytes", append(append(many(2, "x", 200), many(4, "", 150)...), sent{name: "new", size: 300, dropped: 2}), []string{"0", "1", "2", "3", "new"}},
		{"all verified", append(many(10, "", 1), sent{name: "new", origin: "z", err: secretscan.ErrFull}), []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}},
		{"no room after all are dropped", append(append(many(1, "x", 100), many(1, "", 900)...), sent{name: "new", size: 200, err: secretscan.ErrFull}), []string{"x0", "0"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			databasetest.Each(t, func(t *testing.T, name string) {
				db, err := databasetest.Open(t.Context(), name)
				must(t, err)
				t.Cleanup(func() { db.Close() })
				all := map[string]secretscan.Waiting{}
				for i, s := range tt.sent {
					w := waiting(s.name, s.origin, i, max(s.size, 1))
					if _, again := all[s.name]; !again {
						all[s.name] = w
					}
					if got, err := db.LeakReports().Add(t.Context(), w, room, share); got != s.dropped || !errors.Is(err, s.err) {
						t.Errorf("%s: dropped %d, %v; want %d, %v", s.name, got, err, s.dropped, s.err)
					}
				}
				if d := cmp.Diff(tt.want, names(t, db.LeakReports(), all)); d != "" {
					t.Errorf("what waits (-want +got):\n%s", d)
				}
			})
		})
	}
}

// A claim keeps others out while it lasts, can be extended by its holder alone, and ends
// with or without the report.
func TestLeakReportsClaims(t *testing.T) {
	each(t, func(t *testing.T, db *database.DB) {
		ctx, store, w := t.Context(), db.LeakReports(), waiting("a", "n", 0, 1)
		_, err := store.Add(ctx, w, room, share)
		must(t, err)
		first, second, third := t0.Add(time.Minute), t0.Add(2*time.Minute), t0.Add(3*time.Minute)
		claim := func(what string, was, until, now time.Time, want bool) {
			t.Helper()
			if got, err := store.Claim(ctx, w.ID, was, until, now); err != nil || got != want {
				t.Errorf("%s: %v, %v, want %v", what, got, err, want)
			}
		}
		waits := func(what string, now time.Time, want bool) {
			t.Helper()
			next, err := store.Next(ctx, secretscan.Waiting{}, now)
			must(t, err)
			if got := next.ID != nil; got != want {
				t.Errorf("%s it waits: %v, want %v", what, got, want)
			}
		}
		claim("the first", time.Time{}, first, t0, true)
		claim("another", time.Time{}, second, t0.Add(time.Second), false)
		waits("while it is claimed", t0.Add(time.Second), false)
		claim("to extend it", first, second, t0.Add(time.Second), true)
		claim("to extend what is extended", first, third, t0.Add(time.Second), false)
		must(t, store.End(ctx, w.ID, first, true)) // of a claim that is none any more
		waits("after two minutes", second, true)
		claim("after two minutes", time.Time{}, third, second, true)
		must(t, store.End(ctx, w.ID, third, false))
		waits("given back", second, true)
		claim("given back", time.Time{}, third, second, true)
		must(t, store.End(ctx, w.ID, third, true))
		waits("done", third, false)
		claim("of what is gone", time.Time{}, third, second, false)
	})
}

// case T5: the room is bounded for all processes together, and each report is claimed by
// one of them.
func TestLeakReportsOfTwoProcesses(t *testing.T) {
	var mu sync.Mutex
	claimed := map[string]int{}
	b := both(t)
	race(b, 20, func(s *sender, i int) {
		store, w := s.db.LeakReports(), waiting(fmt.Sprint(i), "", i, 1)
		if _, err := store.Add(t.Context(), w, room, share); err != nil {
			if !errors.Is(err, secretscan.ErrFull) {
				t.Error(err)
			}
			return
		}
		ok, err := store.Claim(t.Context(), w.ID, time.Time{}, t0.Add(time.Minute), t0)
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		if ok {
			claimed[string(w.ID)]++
		}
	})
	var n int
	must(t, b[0].db.Row(t.Context(), `SELECT count(*) FROM tollgate_server.leak_reports`).Scan(&n))
	if n != room.Reports || len(claimed) != n {
		t.Errorf("%d reports wait and %d are claimed, want %d", n, len(claimed), room.Reports)
	}
	for id, times := range claimed {
		if times != 1 {
			t.Errorf("%x is claimed %d times", id, times)
		}
	}
}

package database_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"medtwin.ai/tollgate/examples/server/database/databasetest"
	"medtwin.ai/tollgate/webhook"
)

// both are the senders of two processes on one Postgres.
func both(t *testing.T) [2]*sender {
	t.Helper()
	name := databasetest.Postgres(t, "pool_max_conns=8")
	var two [2]*sender
	for i := range two {
		db, err := databasetest.Open(t.Context(), name)
		must(t, err)
		t.Cleanup(func() { db.Close() })
		two[i] = newSender(t, db)
	}
	return two
}

// race runs f n times on each, all at once.
func race(both [2]*sender, n int, f func(s *sender, i int)) {
	var all sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		for _, s := range both {
			all.Go(func() {
				<-start
				f(s, i)
			})
		}
	}
	close(start)
	all.Wait()
}

func TestWebhookQuotaOfTwoProcesses(t *testing.T) {
	b := both(t)
	race(b, 40, func(s *sender, _ int) {
		if _, _, err := s.Add(context.Background(), "acct_1", "http://localhost", nil, t0); err != nil && !errors.Is(err, webhook.ErrQuota) {
			t.Error(err)
		}
	})
	if list, err := b[0].List(t.Context(), "acct_1"); err != nil || len(list) != 20 {
		t.Errorf("%d endpoints, %v", len(list), err)
	}
}

func TestWebhookBacklogOfTwoProcesses(t *testing.T) {
	b := both(t)
	e, _ := b[0].add(t, "acct_1", "http://localhost")
	b[0].fill(t, e.ID, 10_000-10)
	race(b, 40, func(s *sender, i int) {
		// Each event twice, once by each process.
		if err := s.Enqueue(context.Background(), "acct_1", event(fmt.Sprint("evt_", i), "key.created")); err != nil && !errors.Is(err, webhook.ErrBacklog) {
			t.Error(err)
		}
	})
	if got := b[0].only(t, "acct_1"); got.Pending != 10_000 || got.Dropped != 60 {
		t.Errorf("%d pending, %d dropped", got.Pending, got.Dropped)
	}
}

// Nothing is queued for an endpoint that is removed or gone meanwhile: it would
// never be delivered, or yet be.
func TestQueueingForWhatEnds(t *testing.T) {
	b := both(t)
	gone := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) })
	for round := range 20 {
		account := fmt.Sprint("acct_", round)
		e, _ := b[0].add(t, account, "http://localhost")
		race(b, 4, func(s *sender, i int) {
			var err error
			if i == 2 && s == b[0] {
				err = s.Remove(context.Background(), account, e.ID)
			} else {
				err = s.Enqueue(context.Background(), account, event(fmt.Sprint("evt_", i), "key.created"))
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	var left int
	if err := b[0].db.Row(t.Context(), `SELECT count(*) FROM tollgate_server.deliveries`).Scan(&left); err != nil || left != 0 {
		t.Errorf("%d deliveries of no endpoint, %v", left, err)
	}

	for account := range 5 {
		b[0].add(t, fmt.Sprint("acct_", account), gone.URL)
	}
	b[0].run(t)
	b[1].run(t)
	race(b, 20, func(s *sender, i int) {
		for account := range 5 {
			if err := s.Enqueue(context.Background(), fmt.Sprint("acct_", account), event(fmt.Sprint("more_", i), "key.created")); err != nil {
				t.Error(err)
			}
		}
	})
	for account := range 5 {
		eventually(t, "the end of the endpoint", func() bool {
			e := b[1].only(t, fmt.Sprint("acct_", account))
			return !e.Gone.IsZero() && e.Pending == 0
		})
	}
	if n := len(gone.all()); n != 5 {
		t.Errorf("%d requests to 5 endpoints that answer 410", n)
	}
}

// An endpoint has one attempt at a time, whichever process makes it.
func TestWebhookClaimsOfTwoProcesses(t *testing.T) {
	b := both(t)
	const accounts = 10
	for n := range accounts {
		for range 10 {
			b[0].add(t, fmt.Sprint("acct_", n), "http://localhost")
		}
		b[0].enqueue(t, fmt.Sprint("acct_", n), "evt_1", "key.created")
	}
	var mu sync.Mutex
	claimed := map[string]int{}
	race(b, 8, func(s *sender, _ int) {
		list := s.claim(t, time.Now())
		mu.Lock()
		defer mu.Unlock()
		for _, d := range list {
			claimed[d.Endpoint]++
		}
	})
	for e, n := range claimed {
		if n != 1 {
			t.Errorf("%s is claimed %d times", e, n)
		}
	}
	if len(claimed) != 10*accounts {
		t.Errorf("%d claims, want %d: who waits gets nothing", len(claimed), 10*accounts)
	}
}

// Two processes deliver each event once, to an endpoint one at a time.
func TestWebhookDeliveryByTwoProcesses(t *testing.T) {
	b := both(t)
	var mu sync.Mutex
	now, most := 0, 0
	count := func(by int) {
		mu.Lock()
		defer mu.Unlock()
		now += by
		most = max(most, now)
	}
	r := newReceiver(t, func(http.ResponseWriter, *http.Request) {
		count(1)
		defer count(-1)
		<-time.After(time.Millisecond) // for the other one to come
	})
	b[0].add(t, "acct_1", r.URL)
	b[0].run(t)
	b[1].run(t)
	race(b, 20, func(s *sender, i int) {
		if err := s.Enqueue(context.Background(), "acct_1", event(fmt.Sprint("evt_", i), "key.created")); err != nil {
			t.Error(err)
		}
	})
	eventually(t, "all to be delivered", func() bool { return b[0].only(t, "acct_1").Pending == 0 })
	if n := len(r.all()); n != 20 || most != 1 {
		t.Errorf("%d requests for 20 events, %d at once", n, most)
	}
}

// An attempt that was taken for dead, because its process stood still for
// longer than its claim, undoes nothing: neither what the next one has settled
// nor the claim of the one after.
func TestLateAttempt(t *testing.T) {
	b := both(t)
	b[0].add(t, "acct_1", "http://localhost")
	b[0].enqueue(t, "acct_1", "evt_1", "key.created")
	now := time.Now()
	claim := func(s *sender) webhook.Delivery {
		t.Helper()
		list := s.claim(t, now)
		if len(list) != 1 {
			t.Fatalf("claimed %d deliveries, want 1", len(list))
		}
		return list[0]
	}
	end := func(s *sender, d webhook.Delivery, o webhook.Outcome) {
		t.Helper()
		must(t, s.store.End(t.Context(), d, o))
	}
	late := claim(b[0])
	now = now.Add(time.Minute)
	end(b[1], claim(b[1]), webhook.Outcome{At: now})
	b[1].enqueue(t, "acct_1", "evt_2", "key.created")
	next := claim(b[1])
	end(b[0], late, webhook.Outcome{At: now, Error: "no answer within 10 seconds", Due: now})
	if got := b[0].only(t, "acct_1"); got.Pending != 1 || got.Dead != 0 {
		t.Errorf("the late one has changed what was settled: %+v", got)
	}
	again, err := b[1].store.Claim(t.Context(), true, 10, now.Add(time.Second), now.Add(time.Minute))
	if err != nil || len(again) > 0 {
		t.Errorf("two attempts at once: %v, %v", again, err)
	}
	end(b[1], next, webhook.Outcome{At: now})
	if got := b[0].only(t, "acct_1"); got.Pending != 0 || got.Dead != 0 {
		t.Errorf("%+v", got)
	}
}

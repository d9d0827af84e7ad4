package webhook_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"medtwin.ai/tollgate/internal/testkit"
	"medtwin.ai/tollgate/webhook"
)

// What is sent verifies with the secret of its endpoint alone.
func TestDeliver(t *testing.T) {
	s := newSender(t, new(memory), func(c *webhook.Config) { c.Now = time.Now })
	s.run(t)
	all, some := newReceiver(t, nil), newReceiver(t, nil)
	_, secretAll := s.add(t, "acct_1", all.URL+"/hooks?token=1")
	_, secretSome := s.add(t, "acct_1", some.URL, "key.leaked", "key.revoked")
	other := newReceiver(t, nil)
	s.add(t, "acct_2", other.URL)

	s.enqueue(t, "acct_1", "evt_1", "key.created")
	s.enqueue(t, "acct_1", "evt_2", "key.revoked")
	s.enqueue(t, "acct_1", "evt_2", "key.revoked") // again
	if got := all.wait(t, 2); len(got) != 2 {
		t.Fatalf("%d requests", len(got))
	}
	got := some.wait(t, 1)[0]
	if len(some.all()) != 1 {
		t.Errorf("kinds are not heeded: %d requests", len(some.all()))
	}
	if !verifies(secretSome, got.header, got.body) {
		t.Errorf("the signature %q does not verify", got.header.Get("webhook-signature"))
	}
	if verifies(secretAll, got.header, got.body) || verifies(secretSome, got.header, append(slices.Clone(got.body), ' ')) {
		t.Error("another secret or another body verifies too")
	}
	var body map[string]any
	if err := json.Unmarshal(got.body, &body); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"type": "key.revoked", "timestamp": "2026-01-30T12:00:00Z", "data": map[string]any{"id": "key_1"}}
	if d := cmp.Diff(want, body); d != "" {
		t.Errorf("body (-want +got):\n%s", d)
	}
	if id, media := got.header.Get("webhook-id"), got.header.Get("Content-Type"); id != "evt_2" || media != "application/json" {
		t.Errorf("webhook-id %q, Content-Type %q", id, media)
	}
	testkit.Eventually(t, "both to be settled", func() bool {
		list, err := s.List(t.Context(), "acct_1")
		return err == nil && list[0].Pending+list[1].Pending == 0 && !list[1].Delivered.IsZero()
	})
	if n := len(other.all()); n != 0 {
		t.Errorf("another account heard of it, %d times", n)
	}
}

// A failing endpoint is tried again and again for about a day, not before its
// time, each time with a timestamp and signature of now; then never more, and
// its owner can see why.
func TestRetry(t *testing.T) {
	s := newSender(t, new(memory), nil)
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	e, secret := s.add(t, "acct_1", r.URL)
	s.enqueue(t, "acct_1", "evt_1", "key.created")
	s.run(t)

	for n := 1; n <= webhook.MaxAttempts; n++ {
		got := r.wait(t, n)[n-1]
		if at := got.header.Get("webhook-timestamp"); at != strconv.FormatInt(s.clock.Now().Unix(), 10) {
			t.Errorf("attempt %d: timestamp %s", n, at)
		}
		if !verifies(secret, got.header, got.body) {
			t.Errorf("attempt %d: the signature does not verify", n)
		}
		testkit.Eventually(t, "the failure to be recorded", func() bool { return s.only(t, "acct_1").Failures == n })
		if n == webhook.MaxAttempts {
			break
		}
		before := s.attempted(t)
		shortest := min(5*time.Second<<(2*(n-1)), 5*time.Hour)
		s.later(shortest - time.Second)
		if !s.attempted(t).Equal(before) {
			t.Fatalf("attempt %d begins early", n+1)
		}
		s.later(shortest/4 + time.Second)
	}
	if took := s.clock.Now().Sub(t0); took < 20*time.Hour || took > 30*time.Hour {
		t.Errorf("given up after %v, want about a day", took)
	}
	s.later(48 * time.Hour)
	s.enqueue(t, "acct_1", "evt_1", "key.created") // a second time, as if its maker did not know
	got := s.only(t, "acct_1")
	want := webhook.Endpoint{ID: e.ID, URL: r.URL, Created: t0, Dead: 1, Failures: webhook.MaxAttempts, Error: "answered 500"}
	if d := cmp.Diff(want, got, cmpopts.IgnoreFields(webhook.Endpoint{}, "Failed"), cmpopts.EquateEmpty()); d != "" || got.Failed.IsZero() {
		t.Errorf("in the list (-want +got):\n%s", d)
	}
	if n := len(r.all()); n != webhook.MaxAttempts {
		t.Errorf("%d attempts, want %d", n, webhook.MaxAttempts)
	}
	testkit.Eventually(t, "the line in the log", func() bool { return strings.Contains(s.log.String(), "webhook delivery given up") })
	if log := s.log.String(); strings.Count(log, "webhook delivery given up") != 1 || !strings.Contains(log, "evt_1") || strings.Contains(log, r.URL) {
		t.Errorf("the log:\n%s", log)
	}
}

// Receivers say how long to wait, within reason.
func TestRetryAfter(t *testing.T) {
	const soonest = 5 * time.Second
	for _, c := range []struct {
		header string
		want   time.Duration
	}{
		{"120", 120 * time.Second},
		{"9999999999", 5 * time.Hour},
		{"99999999999999999999", 5 * time.Hour},
		{"0", soonest},
		{"-1", soonest},
		{"+120", soonest},
		{"soon", soonest},
		{t0.Add(2 * time.Minute).Format(http.TimeFormat), 2 * time.Minute},
		{t0.Add(3 * time.Minute).Format("Monday, 02-Jan-06 15:04:05 GMT"), 3 * time.Minute}, // RFC 850
		{t0.Add(4 * time.Minute).Format(time.ANSIC), 4 * time.Minute},
		{t0.Add(48 * time.Hour).Format(http.TimeFormat), 5 * time.Hour},
		{t0.AddDate(7000, 0, 0).Format(http.TimeFormat), 5 * time.Hour},
		{t0.Add(-time.Hour).Format(http.TimeFormat), soonest},
		{t0.Add(2 * time.Minute).Format(time.RFC3339), soonest},
	} {
		header, want := c.header, c.want
		t.Run(header, func(t *testing.T) {
			s := newSender(t, new(memory), nil)
			r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", header)
				w.WriteHeader(http.StatusTooManyRequests)
			})
			s.add(t, "acct_1", r.URL)
			s.enqueue(t, "acct_1", "evt_1", "key.created")
			s.run(t)
			testkit.Eventually(t, "the failure to be recorded", func() bool { return s.only(t, "acct_1").Failures == 1 })
			if got := s.queued()[0].due.Sub(t0); got < want || got > want*5/4 {
				t.Errorf("the next attempt is after %v, want %v", got, want)
			}
		})
	}
}

// An endpoint that answers 410 hears no more, of what was queued either.
func TestGone(t *testing.T) {
	s := newSender(t, new(memory), nil)
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) })
	s.add(t, "acct_1", r.URL)
	for i := range 3 {
		s.enqueue(t, "acct_1", fmt.Sprint("evt_", i), "key.created")
	}
	s.run(t)
	testkit.Eventually(t, "the end of the endpoint", func() bool { return !s.only(t, "acct_1").Gone.IsZero() })
	s.enqueue(t, "acct_1", "evt_9", "key.created")
	if e := s.only(t, "acct_1"); e.Pending != 0 || e.Dead != 3 || len(r.all()) != 1 {
		t.Errorf("%+v after %d requests", e, len(r.all()))
	}
}

// Endpoints that hang hold up neither the others of their account nor those of
// others, when they are new and when they are known to fail.
func TestSlowEndpoints(t *testing.T) {
	s := newSender(t, new(memory), nil)
	free := make(chan struct{})
	slow := newReceiver(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-free:
		case <-r.Context().Done():
		}
	})
	defer close(free)
	fast := newReceiver(t, nil)
	for range webhook.MaxEndpoints - 1 {
		s.add(t, "acct_1", slow.URL)
	}
	s.add(t, "acct_1", fast.URL)
	s.add(t, "acct_2", fast.URL)
	for i := range 5 {
		s.enqueue(t, "acct_1", fmt.Sprint("evt_", i), "key.created")
	}
	s.SetTimeout(time.Minute)
	stop := s.run(t)
	slow.wait(t, webhook.MaxEndpoints-1)
	fast.wait(t, 5)
	s.enqueue(t, "acct_2", "evt_1", "key.created")
	fast.wait(t, 6)
	if n := len(slow.all()); n != webhook.MaxEndpoints-1 {
		t.Errorf("%d attempts at once for %d endpoints", n, webhook.MaxEndpoints-1)
	}
	stop()

	s.fail("acct_1", slow.URL)
	for _, account := range []string{"acct_3", "acct_4", "acct_5"} { // all of whose endpoints fail
		for range webhook.MaxEndpoints {
			s.add(t, account, slow.URL)
		}
		s.enqueue(t, account, "evt_1", "key.created")
		s.fail(account, slow.URL)
	}
	before := len(slow.all())
	s.run(t)
	slow.wait(t, before+16)
	s.enqueue(t, "acct_2", "evt_2", "key.created")
	fast.wait(t, 7)
	if n := len(slow.all()) - before; n != 16 {
		t.Errorf("failing endpoints have %d attempts at once, want 16", n)
	}
}

// What another process queues is delivered without being asked, and by one of
// two that run.
func TestOtherProcess(t *testing.T) {
	store := new(memory)
	a, b, other := newSender(t, store, nil), newSender(t, store, nil), newSender(t, store, nil)
	r := newReceiver(t, nil)
	a.add(t, "acct_1", r.URL)
	a.run(t)
	b.run(t)
	for i := range 20 {
		other.enqueue(t, "acct_1", fmt.Sprint("evt_", i), "key.created")
	}
	began := time.Now()
	testkit.Eventually(t, "all to be delivered", func() bool { return other.only(t, "acct_1").Pending == 0 })
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	if n := len(r.all()); n != 20 {
		t.Errorf("%d requests for 20 events", n)
	}
}

// An attempt that is cut off by the end of Run does not count, and is made
// again by the next.
func TestStop(t *testing.T) {
	s := newSender(t, new(memory), nil)
	answer := make(chan struct{})
	r := newReceiver(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-answer:
		case <-r.Context().Done():
		}
	})
	s.add(t, "acct_1", r.URL)
	s.enqueue(t, "acct_1", "evt_1", "key.created")
	stop := s.run(t)
	r.wait(t, 1)
	stop()
	if e := s.only(t, "acct_1"); e.Failures != 0 || e.Pending != 1 {
		t.Errorf("%+v", e)
	}
	close(answer)
	s.run(t)
	r.wait(t, 2)
	testkit.Eventually(t, "the delivery", func() bool { return s.only(t, "acct_1").Pending == 0 })
}

// What is settled is forgotten after a week, so that the table does not grow
// for ever.
func TestSweep(t *testing.T) {
	s := newSender(t, new(memory), nil)
	r := newReceiver(t, nil)
	s.add(t, "acct_1", r.URL)
	s.enqueue(t, "acct_1", "evt_1", "key.created")
	s.run(t)
	rows := func() int { return len(s.queued()) }
	testkit.Eventually(t, "the delivery", func() bool { return s.only(t, "acct_1").Pending == 0 })
	s.later(webhook.Keep)
	s.enqueue(t, "acct_1", "evt_1", "key.created")
	if n := rows(); n != 1 || len(r.all()) != 1 {
		t.Errorf("%d rows, %d requests, want 1 and 1", n, len(r.all()))
	}
	s.later(time.Hour + time.Second)
	testkit.Eventually(t, "it to be forgotten", func() bool { return rows() == 0 })
}

// Without its store nothing is acknowledged and Run waits.
func TestOutage(t *testing.T) {
	s := newSender(t, new(memory), nil)
	s.add(t, "acct_1", "http://localhost")
	s.store.setDown()
	s.run(t)
	testkit.Eventually(t, "a line", func() bool { return strings.Contains(s.log.String(), "webhooks wait for the database") })
	if err := s.Enqueue(context.Background(), "acct_1", event("evt_1", "key.created")); err == nil {
		t.Error("acknowledged")
	}
	s.later(0)
	if n := strings.Count(s.log.String(), "wait for the database"); n != 1 {
		t.Errorf("%d lines", n)
	}
}

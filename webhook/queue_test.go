package webhook_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"medtwin.ai/tollgate/webhook"
)

func TestNew(t *testing.T) {
	_, err := webhook.New(webhook.Config{})
	if err == nil || !strings.Contains(err.Error(), "Store") || !strings.Contains(err.Error(), "Secret") {
		t.Errorf("New with nothing: %v", err)
	}
	for _, n := range []int{0, 23, 65} {
		if _, err := webhook.New(webhook.Config{Store: new(memory), Secret: func(string) []byte { return make([]byte, n) }}); err == nil {
			t.Errorf("a secret of %d bytes passes", n)
		}
	}
}

func TestAccountsAreApart(t *testing.T) {
	s := newSender(t, new(memory), nil)
	e, _ := s.add(t, "acct_1", "http://localhost")
	s.enqueue(t, "acct_1", "evt_1", "key.created")
	if list, err := s.List(t.Context(), "acct_2"); err != nil || len(list) != 0 {
		t.Errorf("List of another account: %v, %v", list, err)
	}
	foreign := s.Remove(t.Context(), "acct_2", e.ID)
	missing := s.Remove(t.Context(), "acct_2", "whk_none")
	if !errors.Is(foreign, webhook.ErrNotFound) || foreign.Error() != missing.Error() {
		t.Errorf("Remove of another account's: %v, of none: %v", foreign, missing)
	}
	if got := s.only(t, "acct_1"); got.Pending != 1 {
		t.Errorf("%+v", got)
	}
	if err := s.Remove(t.Context(), "acct_1", e.ID); err != nil {
		t.Fatal(err)
	}
	if left := s.queued(); len(left) > 0 {
		t.Errorf("%d deliveries of no endpoint", len(left))
	}
}

func TestInvalid(t *testing.T) {
	s := newSender(t, new(memory), nil)
	for _, kinds := range [][]string{{""}, {"key created"}, {strings.Repeat("x", 65)}, {"key.*"}, strings.Split(strings.Repeat("a", 33), "")} {
		_, _, err := s.Add(t.Context(), "acct_1", "http://localhost", kinds, t0)
		if same := len(kinds) == 33; errors.Is(err, webhook.ErrInvalid) == same {
			t.Errorf("kinds %q: %v", kinds, err) // 33 times the same is one
		}
	}
	for _, tt := range []struct {
		name string
		e    webhook.Event
	}{
		{"no id", webhook.Event{Kind: "key.created"}},
		{"full stop", webhook.Event{ID: "evt.1", Kind: "key.created"}},
		{"newline", webhook.Event{ID: "evt\n", Kind: "key.created"}},
		{"no kind", webhook.Event{ID: "evt_1"}},
		{"not JSON", webhook.Event{ID: "evt_1", Kind: "key.created", Data: func() {}}},
		{"large data", webhook.Event{ID: "evt_1", Kind: "key.created", Data: strings.Repeat("x", 64<<10)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := s.Enqueue(t.Context(), "acct_1", tt.e); !errors.Is(err, webhook.ErrInvalid) {
				t.Error(err)
			}
		})
	}
}

func TestQuota(t *testing.T) {
	s := newSender(t, new(memory), nil)
	var wg sync.WaitGroup
	errs := make(chan error, 3*webhook.MaxEndpoints)
	for range cap(errs) {
		wg.Go(func() {
			_, _, err := s.Add(context.Background(), "acct_1", "http://localhost", nil, t0)
			errs <- err
		})
	}
	wg.Wait()
	close(errs)
	made := 0
	for err := range errs {
		if err == nil {
			made++
		} else if !errors.Is(err, webhook.ErrQuota) {
			t.Error(err)
		}
	}
	if list, err := s.List(t.Context(), "acct_1"); made != webhook.MaxEndpoints || len(list) != made {
		t.Errorf("%d made, %d listed, %v", made, len(list), err)
	}
	s.add(t, "acct_2", "http://localhost")
}

// An account's backlog is bounded, and a dead endpoint has no more than its
// share of it.
func TestBacklog(t *testing.T) {
	s := newSender(t, new(memory), nil)
	dead, _ := s.add(t, "acct_1", "http://localhost/dead")
	s.add(t, "acct_1", "http://localhost/live")
	s.fill(t, dead.ID, webhook.MaxPending/2-1)
	s.enqueue(t, "acct_1", "evt_1", "key.created") // the last that fits
	for range 2 {
		err := s.Enqueue(t.Context(), "acct_1", event("evt_2", "key.created"))
		if !errors.Is(err, webhook.ErrBacklog) {
			t.Fatalf("one more: %v", err)
		}
	}
	if err := s.Enqueue(t.Context(), "acct_1", event("evt_1", "key.created")); err != nil {
		t.Errorf("one that is there already: %v", err)
	}
	list, err := s.List(t.Context(), "acct_1")
	if err != nil {
		t.Fatal(err)
	}
	byURL := map[string]webhook.Endpoint{}
	for _, e := range list {
		byURL[e.URL] = e
	}
	if e := byURL["http://localhost/dead"]; e.Pending != webhook.MaxPending/2 || e.Dropped != 2 {
		t.Errorf("the dead endpoint: %+v", e)
	}
	if e := byURL["http://localhost/live"]; e.Pending != 2 || e.Dropped != 0 {
		t.Errorf("the other: %+v", e)
	}

	alone, _ := s.add(t, "acct_2", "http://localhost/alone")
	s.fill(t, alone.ID, webhook.MaxPending)
	s.add(t, "acct_2", "http://localhost/new")
	if err := s.Enqueue(t.Context(), "acct_2", event("evt_1", "key.created")); !errors.Is(err, webhook.ErrBacklog) || !strings.Contains(err.Error(), "for 2 endpoints") {
		t.Errorf("beyond the account's bound: %v", err)
	}
}

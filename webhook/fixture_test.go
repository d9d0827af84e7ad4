package webhook_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"medtwin.ai/tollgate/internal/testkit"
	"medtwin.ai/tollgate/webhook"
)

var t0 = time.Date(2026, 1, 30, 12, 0, 0, 0, time.UTC)

func secret(endpoint string) []byte {
	mac := hmac.New(sha256.New, []byte("from outside the database"))
	mac.Write([]byte(endpoint))
	return mac.Sum(nil)
}

// verifies reports whether a signature is the one that the specification wants.
func verifies(secret string, header http.Header, body []byte) bool {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", header.Get("webhook-id"), header.Get("webhook-timestamp"), body)
	return err == nil && header.Get("webhook-signature") == "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// A sender is one with its clock and log, on loopback.
type sender struct {
	*webhook.Sender
	clock *testkit.Clock
	log   *testkit.Log
	store *memory
}

func newSender(t testing.TB, store *memory, set func(*webhook.Config)) *sender {
	t.Helper()
	s := &sender{clock: testkit.NewClock(t0), log: &testkit.Log{}, store: store}
	c := webhook.Config{Store: store, Secret: secret, AllowPrivate: true, Now: s.clock.Now,
		Logger: slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	if set != nil {
		set(&c)
	}
	var err error
	if s.Sender, err = webhook.New(c); err != nil {
		t.Fatal(err)
	}
	return s
}

// run runs it until the test ends or stop is called.
func (s *sender) run(t testing.TB) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// later moves the clock and returns when a sender that runs has seen it and has
// taken what is due.
func (s *sender) later(d time.Duration) {
	s.clock.Add(d)
	s.Look()
}

// attempted is when the latest attempt began.
func (s *sender) attempted(t testing.TB) time.Time {
	t.Helper()
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	return s.store.attempted
}

func (s *sender) add(t testing.TB, account, url string, kinds ...string) (webhook.Endpoint, string) {
	t.Helper()
	e, secret, err := s.Add(t.Context(), account, url, kinds, s.clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	return e, secret
}

func (s *sender) enqueue(t testing.TB, account, id, kind string) {
	t.Helper()
	if err := s.Enqueue(t.Context(), account, event(id, kind)); err != nil {
		t.Fatal(err)
	}
}

// fill gives an endpoint n pending deliveries.
func (s *sender) fill(t testing.TB, endpoint string, n int) {
	t.Helper()
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	k := s.store.of("", endpoint)[0]
	for i := range n {
		k.queued = append(k.queued, &queued{Delivery: webhook.Delivery{Event: fmt.Sprint("old_", i)}, due: t0})
	}
}

func event(id, kind string) webhook.Event {
	return webhook.Event{ID: id, Kind: kind, At: t0, Data: map[string]string{"id": "key_1"}}
}

// only returns the one endpoint of an account.
func (s *sender) only(t testing.TB, account string) webhook.Endpoint {
	t.Helper()
	list, err := s.List(context.Background(), account)
	if err != nil || len(list) != 1 {
		t.Fatalf("List(%s) = %v, %v, want one", account, list, err)
	}
	return list[0]
}

// A received request is what came and when, by the clock of the test.
type received struct {
	header http.Header
	body   []byte
}

// A receiver keeps what it gets and answers as it is told.
type receiver struct {
	*httptest.Server
	mu  sync.Mutex
	got []received
}

// newReceiver answers with answer, or with 204 where that is nil.
func newReceiver(t testing.TB, answer http.HandlerFunc) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		r.mu.Lock()
		r.got = append(r.got, received{req.Header, body})
		r.mu.Unlock()
		if answer != nil {
			answer(w, req)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) all() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]received(nil), r.got...)
}

// wait returns once n requests have come.
func (r *receiver) wait(t testing.TB, n int) []received {
	t.Helper()
	testkit.Eventually(t, "requests to arrive", func() bool { return len(r.all()) >= n })
	return r.all()
}

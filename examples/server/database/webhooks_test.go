package database_test

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/standard-webhooks/standard-webhooks/libraries/go"

	"medtwin.ai/tollgate/examples/server/database"
	"medtwin.ai/tollgate/examples/server/database/databasetest"
	"medtwin.ai/tollgate/webhook"
)

var t0 = time.Date(2026, 1, 30, 12, 0, 0, 0, time.UTC)

func secret(endpoint string) []byte {
	mac := hmac.New(sha256.New, []byte("from outside the database"))
	mac.Write([]byte(endpoint))
	return mac.Sum(nil)
}

// A sender has its store at hand.
type sender struct {
	*webhook.Sender
	store database.Webhooks
	db    *database.DB
}

func newSender(t testing.TB, db *database.DB) *sender {
	t.Helper()
	s, err := webhook.New(webhook.Config{Store: db.Webhooks(), Secret: secret, AllowPrivate: true})
	if err != nil {
		t.Fatal(err)
	}
	return &sender{s, db.Webhooks(), db}
}

// run runs it until the test ends.
func (s *sender) run(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func (s *sender) add(t testing.TB, account, url string, kinds ...string) (webhook.Endpoint, string) {
	t.Helper()
	e, secret, err := s.Add(t.Context(), account, url, kinds, t0)
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

// claim claims all endpoints that do not fail, for a minute from a time.
func (s *sender) claim(t testing.TB, now time.Time) []webhook.Delivery {
	t.Helper()
	list, err := s.store.Claim(t.Context(), false, 1000, now, now.Add(time.Minute))
	if err != nil {
		t.Error(err)
	}
	return list
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

// fill gives an endpoint n pending deliveries.
func (s *sender) fill(t testing.TB, endpoint string, n int) {
	t.Helper()
	_, err := s.db.Exec(t.Context(), `WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < $2)
		INSERT INTO tollgate_server.deliveries (endpoint, event, body, due) SELECT $1, 'old_' || n, '{}', 1 FROM i`, endpoint, n)
	must(t.(*testing.T), err)
}

func (s *sender) deliveries(t testing.TB) (n int) {
	t.Helper()
	if err := s.db.Row(t.Context(), `SELECT count(*) FROM tollgate_server.deliveries`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func event(id, kind string) webhook.Event {
	return webhook.Event{ID: id, Kind: kind, At: t0, Data: map[string]string{"id": "key_1"}}
}

// A receiver keeps what it gets and answers as it is told.
type receiver struct {
	*httptest.Server
	mu  sync.Mutex
	got []received
}

type received struct {
	header http.Header
	body   []byte
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
	return slices.Clone(r.got)
}

// eventually waits until ok says yes.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited too long for %s", what)
		}
	}
}

// What is sent verifies with the specification's own library, and with the
// secret of its endpoint alone.
func TestWebhooks(t *testing.T) {
	each(t, func(t *testing.T, db *database.DB) {
		s := newSender(t, db)
		s.run(t)
		some, other := newReceiver(t, nil), newReceiver(t, nil)
		e, whsec := s.add(t, "acct_1", some.URL, "key.leaked", "key.revoked")
		_, another := s.add(t, "acct_2", other.URL)
		for _, kind := range []string{"key.created", "key.revoked", "key.revoked"} {
			s.enqueue(t, "acct_1", "evt_"+kind[4:], kind)
		}
		eventually(t, "the delivery", func() bool { e := s.only(t, "acct_1"); return !e.Delivered.IsZero() && e.Pending == 0 })
		got := some.all()
		if len(got) != 1 || len(other.all()) != 0 || got[0].header.Get("webhook-id") != "evt_revoked" {
			t.Fatalf("%d requests and %d to another account, want 1 and 0: %v", len(got), len(other.all()), got)
		}
		for _, tt := range []struct {
			secret string
			want   bool
		}{{whsec, true}, {another, false}} {
			verify, err := standardwebhooks.NewWebhook(tt.secret)
			must(t, err)
			if err := verify.Verify(got[0].body, got[0].header); (err == nil) != tt.want {
				t.Errorf("the signature verifies: %v, want %v", err, tt.want)
			}
		}
		s.enqueue(t, "acct_1", "evt_leaked", "key.leaked")
		for _, account := range []string{"acct_2", "acct_3"} {
			if err := s.Remove(t.Context(), account, e.ID); !errors.Is(err, webhook.ErrNotFound) {
				t.Errorf("%s removes an endpoint of another account: %v", account, err)
			}
		}
		must(t, s.Remove(t.Context(), "acct_1", e.ID))
		if n := s.deliveries(t); n != 0 {
			t.Errorf("%d deliveries of no endpoint", n)
		}
	})
}

// What became of an attempt is there for the next one and for the owner. A claim keeps
// others out while it lasts.
func TestWebhookOutcomes(t *testing.T) {
	at := t0.Add(time.Second)
	ignored := cmpopts.IgnoreFields(webhook.Endpoint{}, "ID", "URL", "Created")
	for _, tt := range []struct {
		name    string
		outcome webhook.Outcome
		want    webhook.Endpoint
		next    int // how many deliveries can be claimed at once, with those of endpoints that fail
	}{
		{"cut off", webhook.Outcome{}, webhook.Endpoint{Pending: 2}, 1},
		{"delivered", webhook.Outcome{At: at}, webhook.Endpoint{Pending: 1, Delivered: at}, 1},
		{"failed", webhook.Outcome{At: at, Error: "x", Due: at.Add(time.Hour)}, webhook.Endpoint{Pending: 2, Failed: at, Failures: 1, Error: "x"}, 1},
		{"given up", webhook.Outcome{At: at, Error: "x"}, webhook.Endpoint{Pending: 1, Dead: 1, Failed: at, Failures: 1, Error: "x"}, 1},
		{"gone", webhook.Outcome{At: at, Error: "x", Gone: true}, webhook.Endpoint{Dead: 2, Failed: at, Failures: 1, Error: "x", Gone: at}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			each(t, func(t *testing.T, db *database.DB) {
				ctx, s := t.Context(), newSender(t, db)
				s.add(t, "acct_1", "http://localhost")
				for i := range 2 {
					_, err := s.store.Queue(ctx, webhook.Delivery{Account: "acct_1", Event: fmt.Sprint("evt_", i), Kind: "key.created", Body: []byte("{}")}, t0.Add(time.Duration(i)), 10)
					must(t, err)
				}
				list := s.claim(t, t0)
				if len(list) != 1 || list[0].Event != "evt_0" || string(list[0].Body) != "{}" || len(s.claim(t, at)) != 0 {
					t.Fatalf("claimed: %+v, and once more", list)
				}
				must(t, s.store.End(ctx, list[0], tt.outcome))
				if d := cmp.Diff(tt.want, s.only(t, "acct_1"), ignored, cmpopts.EquateEmpty()); d != "" {
					t.Errorf("(-want +got):\n%s", d)
				}
				failing, err := s.store.Claim(ctx, true, 10, at, at.Add(time.Minute))
				must(t, err)
				if n := len(failing) + len(s.claim(t, at)); n != tt.next {
					t.Errorf("then %d can be claimed, want %d", n, tt.next)
				}
				must(t, s.store.Prune(ctx, at.Add(1e6)))
				if n := s.deliveries(t); n != tt.want.Pending {
					t.Errorf("%d deliveries are left, want %d", n, tt.want.Pending)
				}
			})
		})
	}
}

// An account's backlog is bounded, and a dead endpoint has no more than its
// share of it.
func TestWebhookBacklog(t *testing.T) {
	each(t, func(t *testing.T, db *database.DB) {
		s := newSender(t, db)
		dead, _ := s.add(t, "acct_1", "http://localhost/dead")
		live, _ := s.add(t, "acct_1", "http://localhost/live")
		s.fill(t, dead.ID, 4)
		for i, want := range []int{0, 1, 1} {
			got, err := s.store.Queue(t.Context(), webhook.Delivery{Account: "acct_1", Event: fmt.Sprint("evt_", i), Kind: "x", Body: []byte("{}")}, t0, 10)
			if err != nil || got != want {
				t.Errorf("event %d is dropped for %d endpoints, want %d; %v", i, got, want, err)
			}
		}
		list, err := s.List(t.Context(), "acct_1")
		must(t, err)
		for _, e := range list {
			want := [2]int{3, 0}
			if e.ID == dead.ID {
				want = [2]int{5, 2}
			}
			if got := [2]int{e.Pending, e.Dropped}; got != want {
				t.Errorf("%s has %v pending and dropped, want %v", e.URL, got, want)
			}
		}
		s.fill(t, live.ID, 6) // the account has one too many
		if got, err := s.store.Queue(t.Context(), webhook.Delivery{Account: "acct_1", Event: "evt_9", Kind: "x"}, t0, 14); err != nil || got != 2 {
			t.Errorf("beyond the account's bound it is dropped for %d endpoints, want 2; %v", got, err)
		}
	})
}

const victim = "WEBHOOK_TEST_VICTIM" // the database of a process that is going to be killed

func TestMain(m *testing.M) {
	if name := os.Getenv(victim); name != "" {
		fmt.Fprintln(os.Stderr, toil(context.Background(), name))
		os.Exit(1)
	}
	os.Exit(databasetest.Main(m))
}

// toil queues events for ever, says so after each, and delivers them.
func toil(ctx context.Context, name string) error {
	db, err := databasetest.Open(ctx, name)
	if err != nil {
		return err
	}
	s, err := webhook.New(webhook.Config{Store: db.Webhooks(), Secret: secret, AllowPrivate: true})
	if err != nil {
		return err
	}
	go s.Run(ctx)
	for n := 0; ; n++ {
		id := fmt.Sprint("evt_", n)
		if err := s.Enqueue(ctx, "acct_1", event(id, "key.created")); err != nil {
			return err
		}
		fmt.Println(id)
	}
}

// case T8: kill -9 in the middle of queueing and delivering loses no event that
// was acknowledged.
func TestWebhooksAfterKill(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, name string) {
		r := newReceiver(t, nil)
		db, err := databasetest.Open(t.Context(), name)
		must(t, err)
		t.Cleanup(func() { db.Close() })
		s := newSender(t, db)
		s.add(t, "acct_1", r.URL)

		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), victim+"="+name)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		must(t, err)
		must(t, cmd.Start())
		defer cmd.Process.Kill()
		acknowledged := map[string]bool{}
		for in := bufio.NewScanner(out); in.Scan(); { // to the last that it got out
			acknowledged[in.Text()] = true
			if len(acknowledged) == 50 {
				eventually(t, "deliveries", func() bool { return len(r.all()) >= 5 }) // it delivers as well
				cmd.Process.Kill()
			}
		}
		cmd.Wait()
		if len(acknowledged) < 50 {
			t.Fatalf("the victim ended by itself after %d", len(acknowledged))
		}
		after, err := webhook.New(webhook.Config{Store: s.store, Secret: secret, AllowPrivate: true, // by then what it was at is free again
			Now: func() time.Time { return time.Now().Add(time.Minute) }})
		must(t, err)
		s.Sender = after
		s.run(t)
		eventually(t, "the rest", func() bool { return s.only(t, "acct_1").Pending == 0 })
		for _, got := range r.all() {
			delete(acknowledged, got.header.Get("webhook-id"))
		}
		if len(acknowledged) > 0 {
			t.Errorf("%d were acknowledged and never delivered", len(acknowledged))
		}
	})
}

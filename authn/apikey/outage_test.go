package apikey_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/internal/overlay"
	"medtwin.ai/tollgate/store"
)

// outageDoor returns a door that lets known keys in for a minute while the store is
// down, and believes answers for five seconds.
func outageDoor(t *testing.T, change ...func(*apikey.Config, *authn.Config)) *door {
	t.Helper()
	return newDoor(t, append(change, func(k *apikey.Config, _ *authn.Config) { k.OutageLease = time.Minute })...)
}

var errRefused = errors.New("connection refused")

// lose makes every read of the store fail, find ends that.
func (d *door) lose() { d.spy.fail.Store(&errRefused) }
func (d *door) find() { d.spy.fail.Store(nil) }

// While the store is down a known key goes on for the stated time, and only
// where that was asked for. case K9
func TestOutageLease(t *testing.T) {
	for _, tt := range []struct {
		name  string
		door  *door
		want  time.Duration
		bound time.Duration // of a change that a living stream does not tell of, right before the outage
	}{
		{"off", newDoor(t), 5 * time.Second, time.Minute},
		{"on", outageDoor(t), time.Minute, 2 * time.Minute},
		{"too short", newDoor(t, func(k *apikey.Config, _ *authn.Config) { k.OutageLease = time.Second }), 5 * time.Second, 61 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := tt.door
			if got := d.keys.MaxRevocationDelay(); got != tt.bound {
				t.Errorf("the stated bound is %v, want %v", got, tt.bound)
			}
			_, token := d.issue()
			if _, err := d.ask(token); err != nil {
				t.Fatal(err)
			}
			d.lose()
			began := d.now
			for _, after := range []time.Duration{tt.want / 2, tt.want - time.Second} { // the first finds out
				d.now = began.Add(after)
				if rec, passed := d.knock(request("Bearer " + token)); !passed {
					t.Errorf("after %v: %d", after, rec.Code)
				}
			}
			d.now = began.Add(tt.want)
			if rec, passed := d.knock(request("Bearer " + token)); passed || rec.Code != 503 || rec.Header().Get("Retry-After") == "" {
				t.Errorf("after %v: passed %v, %d", tt.want, passed, rec.Code)
			}
			d.find()
			if _, err := d.ask(token); err != nil {
				t.Errorf("with the store back: %v", err)
			}
		})
	}
}

// What is more than a lost store ends an identity all the same; and what was not
// known before is neither let in nor refused. case K15, case K14
func TestOutageLeaseEnds(t *testing.T) {
	for _, tt := range []struct {
		name   string
		spec   func(*apikey.Spec)
		before func(d *door, key store.Key, token string) error // with the store up
		during func(d *door, key store.Key) error               // only its queries fail
		from   string
		want   int
	}{
		{name: "nothing", want: 200},
		{
			name:   "a revocation that was heard",
			during: func(d *door, key store.Key) error { return d.keys.Revoke(d.t.Context(), d.op, key.ID, "", d.now) }, want: 503},
		{
			name: "one of all keys",
			during: func(d *door, _ store.Key) error {
				_, err := d.keys.RevokeAll(d.t.Context(), d.op, store.Filter{}, "", d.now)
				return err
			}, want: 503},
		{
			name: "a revocation that was read",
			before: func(d *door, key store.Key, token string) error {
				if err := d.store.KeyAdmin().Revoke(d.t.Context(), account, key.ID, "", d.now); err != nil {
					return err
				}
				d.now = d.now.Add(6 * time.Second)
				if _, err := d.ask(token); !errors.Is(err, authn.ErrRevoked) {
					d.t.Errorf("revoked: %v", err)
				}
				d.now = d.now.Add(2 * time.Second) // refusals are remembered for one
				return nil
			}, want: 503},
		{name: "expiry", spec: func(s *apikey.Spec) { s.Expires = time.Date(2026, 11, 21, 12, 0, 10, 0, time.UTC) }, want: 503},
		{name: "here", spec: bound, from: "10.0.0.1:1", want: 200},
		{name: "elsewhere", spec: bound, from: "192.0.2.1:1", want: 403},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := outageDoor(t)
			if tt.spec == nil {
				tt.spec = func(*apikey.Spec) {}
			}
			key, token := d.issue(tt.spec)
			knock := func() int {
				r := request("Bearer " + token)
				if tt.from != "" {
					r.RemoteAddr = tt.from
				}
				rec, _ := d.knock(r)
				return rec.Code
			}
			if _, err := d.keys.Authenticate(t.Context(), authn.NewCredential("bearer", token), d.now); err != nil {
				t.Fatal(err)
			}
			if tt.before != nil {
				if err := tt.before(d, key, token); err != nil {
					t.Fatal(err)
				}
			}
			d.lose()
			d.now = d.now.Add(20 * time.Second)
			if tt.during != nil {
				if got := knock(); got != 200 {
					t.Errorf("%d before it", got)
				}
				if err := tt.during(d, key); err != nil {
					t.Fatal(err)
				}
			}
			for range 3 { // nothing brings it back
				if got := knock(); got != tt.want {
					t.Errorf("%d, want %d", got, tt.want)
				}
			}
			stranger := formats(t)["live"].Generate().Reveal()
			if rec, _ := d.knock(request("Bearer " + stranger)); rec.Code != 503 {
				t.Errorf("a stranger gets %d", rec.Code)
			}
		})
	}
}

// A sign of life of the stream proves what is known once more. Once it has broken
// it says nothing of what was known before, but where it tells of a change without
// saying of what, that ends everything.
func TestOutageLeaseOfStream(t *testing.T) {
	for _, tt := range []struct {
		name    string
		breaks  int
		changed bool
	}{
		{name: "whole"},
		{name: "broken", breaks: 1},
		{name: "broken often", breaks: 4},
		{name: "a change", changed: true},
		{name: "broken, changed", breaks: 2, changed: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				stream, cut := make(chan store.Watcher, 1), make(chan error)
				d := outageDoor(t, func(k *apikey.Config, _ *authn.Config) {
					k.MaxAge = time.Hour
					k.Store = overlay.Changes(k.Store, watchFunc(func(ctx context.Context, w store.Watcher) error {
						w.Gap()
						stream <- w
						select {
						case err := <-cut:
							return err
						case <-ctx.Done():
							return ctx.Err()
						}
					}))
				})
				ctx, cancel := context.WithCancel(t.Context())
				go d.keys.Run(ctx)
				w := <-stream
				d.now = time.Now()
				_, token := d.issue()
				if _, err := d.ask(token); err != nil {
					t.Fatal(err)
				}
				time.Sleep(10 * time.Minute)
				w.Alive(time.Now())
				proved := time.Now()
				for range tt.breaks {
					cut <- errors.New("cut")
					w = <-stream
					w.Alive(time.Now())
				}
				want := error(nil)
				if tt.changed { // a table was emptied
					w.Gap()
					w.Alive(time.Now())
					want = authn.ErrUnavailable
				}
				d.lose()
				d.now = proved.Add(time.Minute - 1)
				if _, err := d.ask(token); !errors.Is(err, want) {
					t.Errorf("%v, want %v", err, want)
				}
				d.now = proved.Add(time.Minute)
				if _, err := d.ask(token); !errors.Is(err, authn.ErrUnavailable) {
					t.Errorf("after the lease: %v", err)
				}
				cancel()
				synctest.Wait()
			})
		})
	}
}

// A store that hangs delays the requests that find it out, for Timeout. From then on it
// delays no known caller, and it is believed as soon as it answers. case K9
func TestOutageLeaseOfHungStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		d := outageDoor(t, func(k *apikey.Config, c *authn.Config) {
			k.Logger, c.Now, c.Failures = slog.New(slog.NewTextHandler(&log, nil)), time.Now, nobodyFails{}
		})
		d.now = time.Now()
		const callers = 200
		var tokens []string
		var keys []store.Key
		for range callers {
			key, token := d.issue()
			tokens, keys = append(tokens, token), append(keys, key)
		}
		// all sends a request of every key from one address, and returns how long
		// the slowest of them took.
		all := func() (slowest time.Duration) {
			var wg sync.WaitGroup
			var most atomic.Int64
			for _, token := range tokens {
				wg.Go(func() {
					began := time.Now()
					if rec, passed := d.knock(request("Bearer " + token)); !passed {
						t.Errorf("%d", rec.Code)
					}
					for took := int64(time.Since(began)); ; {
						if old := most.Load(); took <= old || most.CompareAndSwap(old, took) {
							break
						}
					}
				})
			}
			wg.Wait()
			return time.Duration(most.Load())
		}
		all()
		time.Sleep(10 * time.Second)
		d.spy.hang.Store(true)
		if took := all(); took > 2100*time.Millisecond {
			t.Errorf("the first requests took up to %v, want Timeout", took)
		}
		for range 20 {
			finds := d.spy.finds.Load()
			if took := all(); took > 50*time.Millisecond {
				t.Errorf("later requests took up to %v", took)
			}
			if n := d.spy.finds.Load() - finds; n > 1 {
				t.Errorf("%d reads of a store that hangs", n)
			}
			time.Sleep(time.Second)
		}
		time.Sleep(2 * time.Second) // by now the last read has ended without an answer
		d.spy.hang.Store(false)
		if err := d.store.KeyAdmin().Revoke(t.Context(), account, keys[0].ID, "", time.Now()); err != nil { // elsewhere
			t.Fatal(err)
		}
		if rec, passed := d.knock(request("Bearer " + tokens[0])); passed || rec.Code != http.StatusUnauthorized {
			t.Errorf("the first request to a store that is back: passed %v, %d", passed, rec.Code)
		}
		finds := d.spy.finds.Load()
		tokens = tokens[1:]
		all()
		if n := d.spy.finds.Load() - finds; n != callers-1 {
			t.Errorf("%d reads by %d keys once the store is back", n, callers-1)
		}
		for _, tt := range []struct {
			text string
			want int
		}{{"store lost", 1}, {"store found again", 1}} {
			if n := strings.Count(log.String(), tt.text); n != tt.want {
				t.Errorf("%q is logged %d times, want %d:\n%s", tt.text, n, tt.want, &log)
			}
		}
	})
}

// The time for which a store hung is added neither to the lease nor to the life
// of a key.
func TestOutageLeaseEndsWhileTheStoreHangs(t *testing.T) {
	for _, tt := range []struct {
		name            string
		lifetime, after time.Duration
	}{
		{"lease", time.Hour, time.Minute - time.Second},
		{"life", 31 * time.Second, 30 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := outageDoor(t)
				d.now = time.Now()
				_, token := d.issue(func(s *apikey.Spec) { s.Expires = d.now.Add(tt.lifetime) })
				if _, err := d.ask(token); err != nil {
					t.Fatal(err)
				}
				d.spy.hang.Store(true)
				time.Sleep(tt.after)
				d.now = time.Now()
				if _, err := d.ask(token); !errors.Is(err, authn.ErrUnavailable) {
					t.Errorf("%v, two seconds later", err)
				}
			})
		})
	}
}

type nobodyFails struct{}

func (nobodyFails) Peek(string, time.Time) (int64, time.Duration) { return 1, 0 }
func (nobodyFails) Count(string, time.Time)                       {}

// What is read while the store is found again does not bring back what was
// revoked in between. case K10
func TestOutageLeaseRestoresNothing(t *testing.T) {
	d := outageDoor(t)
	key, token := d.issue()
	if _, err := d.ask(token); err != nil {
		t.Fatal(err)
	}
	d.lose()
	d.now = d.now.Add(10 * time.Second)
	if _, err := d.ask(token); err != nil {
		t.Fatal(err)
	}
	d.find()
	revoke := func() {
		d.spy.read.Store(nil)
		if err := d.keys.Revoke(t.Context(), d.op, key.ID, "", d.now); err != nil {
			t.Error(err)
		}
		d.lose()
	}
	d.spy.read.Store(&revoke)
	if p := recall(d.keys, authn.NewCredential("bearer", token), d.now); p != nil {
		t.Error("a read that was under way is believed")
	}
	if _, err := d.ask(token); !errors.Is(err, authn.ErrUnavailable) {
		t.Errorf("after it: %v", err)
	}
}

// A store that panics while nobody waits for it ends no process.
func TestOutageLeaseOfPanickingStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := outageDoor(t)
		_, token := d.issue()
		if _, err := d.ask(token); err != nil {
			t.Fatal(err)
		}
		d.lose()
		d.now = d.now.Add(10 * time.Second)
		if _, err := d.ask(token); err != nil {
			t.Fatal(err)
		}
		d.find()
		panics := func() { panic("a bug") }
		d.spy.read.Store(&panics)
		if _, err := d.ask(token); err != nil {
			t.Errorf("while it panics: %v", err)
		}
		synctest.Wait()
	})
}

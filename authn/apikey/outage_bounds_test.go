package apikey_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
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

// What the store is not to blame for is no outage: known keys are read as ever,
// and the log is silent. case K7
func TestNobodyCanTellIsNoOutage(t *testing.T) {
	for _, tt := range []struct {
		name   string
		busy   bool
		change func(*store.Key, *store.Owner) // to what the store says of it
	}{
		{name: "many wrong keys", busy: true},
		{name: "no verifier", change: func(k *store.Key, _ *store.Owner) {
			k.Import, k.Digest.Pepper = bcryptHash, "import:gone"
		}},
		{name: "another's account", change: func(_ *store.Key, o *store.Owner) { o.Account.ID = "acct_2" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				slow := &counted{Verifier: apikey.Bcrypt("."), hold: make(chan struct{})}
				id := "none"
				d := outageDoor(t, func(k *apikey.Config, _ *authn.Config) {
					k.Verifiers = map[string]apikey.Verifier{"django": slow}
					k.Logger = slog.New(slog.NewTextHandler(&log, nil))
					k.Store = overlay.Keys(k.Store, altered{k.Store.Keys(), func(key *store.Key, o *store.Owner) {
						if key.ID == id {
							tt.change(key, o)
						}
					}})
				})
				d.bring(bcryptKey())
				known, token := d.issue()
				odd, oddToken := d.issue()
				if _, err := d.ask(token); err != nil {
					t.Fatal(err)
				}
				var all sync.WaitGroup
				if tt.busy {
					var sent atomic.Int64
					for i := range 100 {
						all.Go(func() {
							if _, err := d.ask(fmt.Sprintf("Zx81QLw0.wrong-secret-%03d", i)); errors.Is(err, authn.ErrUnavailable) {
								sent.Add(1)
							}
						})
					}
					time.Sleep(1500 * time.Millisecond) // before Timeout
					if sent.Load() == 0 {
						t.Error("nobody was sent away")
					}
				} else {
					id = odd.ID
					for range 2 { // nor is it remembered
						finds := d.spy.finds.Load()
						if _, err := d.ask(oddToken); !errors.Is(err, authn.ErrUnavailable) || d.spy.finds.Load() == finds {
							t.Error(err)
						}
					}
				}
				if log.Len() > 0 {
					t.Errorf("the log says\n%s", &log)
				}
				// A known key is read though somebody else's read hangs.
				if err := d.store.KeyAdmin().Revoke(t.Context(), account, known.ID, "", d.now); err != nil {
					t.Fatal(err)
				}
				d.now = d.now.Add(10 * time.Second)
				if _, err := d.ask(token); !errors.Is(err, authn.ErrRevoked) {
					t.Errorf("a key that was revoked elsewhere: %v", err)
				}
				close(slow.hold)
				all.Wait()
			})
		})
	}
}

// A store that fails now and then is told of once in ten seconds, and what it is
// in the end in any case.
func TestOutagesAreLoggedSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		d := outageDoor(t, func(k *apikey.Config, _ *authn.Config) {
			k.Logger = slog.New(slog.NewTextHandler(&log, nil))
		})
		ctx, cancel := context.WithCancel(t.Context())
		go d.keys.Run(ctx)
		strange := func() { _, _ = d.ask(formats(t)["live"].Generate().Reveal()) }
		for range 100 {
			d.lose()
			strange()
			d.find()
			strange()
			time.Sleep(time.Millisecond)
		}
		said := func() [2]int {
			synctest.Wait()
			return [2]int{strings.Count(log.String(), "store lost"), strings.Count(log.String(), "store found again")}
		}
		if got := said(); got != [2]int{1, 1} {
			t.Errorf("logged %d times:\n%s", got, &log)
		}
		d.lose()
		strange() // and nobody after that
		time.Sleep(25 * time.Second)
		if got := said(); got != [2]int{2, 1} {
			t.Errorf("in the end logged %d times:\n%s", got, &log)
		}
		d.find()
		strange()
		if got := said(); got != [2]int{2, 2} {
			t.Errorf("with the store back logged %d times:\n%s", got, &log)
		}
		cancel()
		synctest.Wait()
	})
}

// A store that does not even obey its context holds up nobody who is known for
// longer than Timeout, and from then on for a moment. case K9
func TestOutageLeaseOfDeafStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := outageDoor(t)
		d.now = time.Now()
		_, a := d.issue()
		_, b := d.issue()
		for _, token := range []string{a, b} {
			if _, err := d.ask(token); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(10 * time.Second)
		back := make(chan struct{})
		deaf := func() { <-back }
		d.spy.read.Store(&deaf)
		var all sync.WaitGroup
		before := runtime.NumGoroutine()
		for range 3 { // one asks, the others join it
			all.Go(func() {
				began := time.Now()
				if recall(d.keys, authn.NewCredential("bearer", a), time.Now()) == nil || time.Since(began) > 2*time.Second {
					t.Errorf("held up for %v", time.Since(began))
				}
			})
		}
		all.Wait()
		synctest.Wait()
		if n := runtime.NumGoroutine() - before; n > 1 {
			t.Errorf("%d goroutines wait for the store, want one", n)
		}
		for range 3 {
			began := time.Now()
			if recall(d.keys, authn.NewCredential("bearer", b), time.Now()) == nil || time.Since(began) > 50*time.Millisecond {
				t.Errorf("later held up for %v", time.Since(began))
			}
		}
		close(back)
		synctest.Wait()
		if recall(d.keys, authn.NewCredential("bearer", a), time.Now()) == nil {
			t.Error("not known with the store back")
		}
	})
}

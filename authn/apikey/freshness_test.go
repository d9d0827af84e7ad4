package apikey_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/internal/overlay"
	"medtwin.ai/tollgate/store"
)

// While the stream of changes is silent an answer is believed for the lease, no
// longer.
func TestLease(t *testing.T) {
	d := newDoor(t, silent)
	key, token := d.issue()
	if _, err := d.ask(token); err != nil {
		t.Fatal(err)
	}
	// Somebody else's process: the cache hears nothing.
	if err := d.store.KeyAdmin().Revoke(t.Context(), account, key.ID, "", d.now); err != nil {
		t.Fatal(err)
	}
	d.now = d.now.Add(d.keys.MaxRevocationDelay() - 1)
	if _, err := d.ask(token); err != nil {
		t.Errorf("within the lease: %v", err)
	}
	d.now = d.now.Add(1)
	if _, err := d.ask(token); !errors.Is(err, authn.ErrRevoked) {
		t.Errorf("after the lease: %v, want ErrRevoked", err)
	}
}

// A stream that hangs gives no sign of life; answers then end with their lease.
func TestSilentStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stream := &hungStream{alive: make(chan time.Time)}
		d := newDoor(t, func(k *apikey.Config, _ *authn.Config) {
			k.Store, k.MaxAge = overlay.Changes(k.Store, stream), time.Hour
		})
		ctx, cancel := context.WithCancel(t.Context())
		go d.keys.Run(ctx)
		synctest.Wait() // the first Gap is over
		d.now = time.Now()
		key, token := d.issue()
		if _, err := d.ask(token); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		stream.alive <- time.Now()
		synctest.Wait()
		const lease = 5 * time.Second
		d.now = time.Now().Add(lease - 1)
		if _, err := d.ask(token); err != nil || d.spy.finds.Load() != 1 {
			t.Errorf("a sign of life did not renew the lease: %v, %d look-ups", err, d.spy.finds.Load())
		}
		if err := d.store.KeyAdmin().Revoke(t.Context(), account, key.ID, "", d.now); err != nil {
			t.Fatal(err)
		}
		d.now = d.now.Add(1)
		if _, err := d.ask(token); !errors.Is(err, authn.ErrRevoked) {
			t.Errorf("after the lease: %v, want ErrRevoked", err)
		}
		cancel()
		synctest.Wait()
	})
}

type hungStream struct{ alive chan time.Time }

func (h *hungStream) Watch(ctx context.Context, w store.Watcher) error {
	w.Gap()
	for {
		select {
		case at := <-h.alive:
			w.Alive(at)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// silent is a bound for doors whose stream nobody listens to.
func silent(k *apikey.Config, _ *authn.Config) { k.MaxAge = 5 * time.Second }

// After a gap in the stream nothing that was known before is believed.
func TestGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stream := make(chan store.Watcher, 1)
		d := newDoor(t, func(k *apikey.Config, _ *authn.Config) {
			k.Lease = time.Hour
			k.Store = overlay.Changes(k.Store, watchFunc(func(ctx context.Context, w store.Watcher) error {
				stream <- w
				<-ctx.Done()
				return ctx.Err()
			}))
		})
		ctx, cancel := context.WithCancel(t.Context())
		go d.keys.Run(ctx)
		d.now = time.Now()
		key, token := d.issue()
		if _, err := d.ask(token); err != nil {
			t.Fatal(err)
		}
		if err := d.store.KeyAdmin().Revoke(t.Context(), account, key.ID, "", d.now); err != nil { // elsewhere
			t.Fatal(err)
		}
		if _, err := d.ask(token); err != nil {
			t.Fatalf("nobody has said anything yet: %v", err)
		}
		(<-stream).Gap()
		if _, err := d.ask(token); !errors.Is(err, authn.ErrRevoked) {
			t.Errorf("after the gap: %v, want ErrRevoked", err)
		}
		cancel()
		synctest.Wait()
	})
}

type watchFunc func(context.Context, store.Watcher) error

func (f watchFunc) Watch(ctx context.Context, w store.Watcher) error { return f(ctx, w) }

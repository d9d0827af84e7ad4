package apikey_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

// Without a stream of changes an answer is believed for the lease, no longer.
func TestLease(t *testing.T) {
	d := newDoor(t)
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

// case K11: whatever changes the key or its account reaches a cache that
// watches, at once.
func TestEveryMutatorInvalidates(t *testing.T) {
	ctx := context.Background()
	for name, mutate := range map[string]func(d *door, id string) error{
		"revoke":  func(d *door, id string) error { return d.store.KeyAdmin().Revoke(ctx, account, id, "", d.now) },
		"suspend": func(d *door, _ string) error { return d.store.Accounts().SetStatus(ctx, account, authz.Suspended) },
		"plan":    func(d *door, _ string) error { return d.store.Accounts().SetPlan(ctx, account, "free", "") },
		"rotate": func(d *door, id string) error {
			_, _, err := d.keys.Rotate(ctx, d.op, id, 0, d.now)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDoor(t, func(k *apikey.Config, _ *authn.Config) { k.Lease = time.Hour })
				keys, err := apikey.New(apikey.Config{Store: d.spy, Admin: d.store.KeyAdmin(), Changes: d.store,
					Model: d.model, Formats: formats(t), Peppers: peppers(t), Lease: time.Hour})
				if err != nil {
					t.Fatal(err)
				}
				d.keys, d.now = keys, time.Now()
				ctx, cancel := context.WithCancel(t.Context())
				go keys.Run(ctx)
				synctest.Wait()
				key, token := d.issue()
				before, err := d.ask(token)
				if err != nil {
					t.Fatal(err)
				}
				if err := mutate(d, key.ID); err != nil {
					t.Fatal(err)
				}
				after, err := d.ask(token)
				if after == before || name == "revoke" && !errors.Is(err, authn.ErrRevoked) || name == "rotate" && !errors.Is(err, authn.ErrExpired) {
					t.Errorf("the old answer was given again: %v", err)
				}
				cancel()
				synctest.Wait()
			})
		})
	}
}

// A stream that hangs gives no sign of life; answers then end with their lease.
func TestSilentStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stream := &hungStream{alive: make(chan time.Time)}
		d := newDoor(t, func(k *apikey.Config, _ *authn.Config) { k.Changes = stream })
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
		d.now = time.Now().Add(d.keys.MaxRevocationDelay() - 1)
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

// After a gap in the stream nothing that was known before is believed.
func TestGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stream := make(chan store.Watcher, 1)
		d := newDoor(t, func(k *apikey.Config, _ *authn.Config) {
			k.Changes, k.Lease = watchFunc(func(ctx context.Context, w store.Watcher) error {
				stream <- w
				<-ctx.Done()
				return ctx.Err()
			}), time.Hour
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

package apikey_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Uses are written once a minute, in batches, and the last of them on the way
// out.
func TestUses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(t)
		d.now = time.Now()
		key, token := d.issue()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- d.keys.Run(ctx) }()
		for range 1000 {
			d.ask(token)
		}
		time.Sleep(15 * time.Second)
		synctest.Wait()
		if n := d.spy.touches.Load(); n != 1 {
			t.Errorf("%d rows written for 1,000 requests, want 1", n)
		}
		time.Sleep(time.Minute)
		d.now = time.Now()
		d.ask(token)
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run returned %v", err)
		}
		got, err := d.store.KeyAdmin().Get(t.Context(), account, key.ID)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(d.now.UTC().Truncate(time.Microsecond), got.Used.Truncate(time.Microsecond)); diff != "" {
			t.Errorf("the last use was lost on the way out (-want +got):\n%s", diff)
		}
	})
}

// What cannot be written stays pending.
func TestUsesSurviveAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(t)
		d.now = time.Now()
		key, token := d.issue()
		d.ask(token)
		down := errors.New("down")
		d.spy.fail.Store(&down)
		ctx, cancel := context.WithCancel(t.Context())
		go d.keys.Run(ctx)
		time.Sleep(11 * time.Second)
		synctest.Wait()
		d.spy.fail.Store(nil)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if got, _ := d.store.KeyAdmin().Get(t.Context(), account, key.ID); got.Used.IsZero() {
			t.Error("the use was lost in the outage")
		}
		cancel()
		synctest.Wait()
	})
}

// One write that hangs is not the last.
func TestHungTouch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(t)
		d.now = time.Now()
		key, token := d.issue()
		d.ask(token)
		d.spy.hangTouch.Store(true)
		ctx, cancel := context.WithCancel(t.Context())
		go d.keys.Run(ctx)
		time.Sleep(11 * time.Second)
		d.spy.hangTouch.Store(false)
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if got, _ := d.store.KeyAdmin().Get(t.Context(), account, key.ID); got.Used.IsZero() {
			t.Error("nothing was written after the one that hung")
		}
		cancel()
		synctest.Wait()
	})
}

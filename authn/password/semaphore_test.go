package password_test

import (
	"context"
	"errors"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"medtwin.ai/tollgate/authn/password"
)

// case S20: of 200 at once two are worked on, the queue is served, and the
// others are told to come back; the heap never holds more than a few hashes.
func TestSemaphore(t *testing.T) {
	const callers, places, queue = 200, 2, 12
	synctest.Test(t, func(t *testing.T) {
		p := passwords(t, func(c *password.Config) { c.Hashes, c.Queue = places, queue })
		stored := hash(t, p, good)
		heap := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		var mu sync.Mutex
		var inside, most int
		var peak uint64
		all := make(chan struct{})
		p.OnHash(func(_, _ uint32) {
			mu.Lock()
			inside++
			most = max(most, inside)
			mu.Unlock()
			<-all
			mu.Lock()
			metrics.Read(heap)
			peak = max(peak, heap[0].Value.Uint64())
			inside--
			mu.Unlock()
		})
		var right, busy atomic.Int64
		for range callers {
			go func() {
				ok, _, err := p.Verify(t.Context(), stored, good)
				var b *password.BusyError
				switch {
				case ok && err == nil:
					right.Add(1)
				case !ok && errors.As(err, &b) && b.Retry == 2*time.Second:
					busy.Add(1)
				default:
					t.Errorf("%t, %v", ok, err)
				}
			}()
		}
		synctest.Wait()
		if inside != places || busy.Load() != callers-places-queue {
			t.Errorf("%d are worked on and %d were sent away, want %d and %d", inside, busy.Load(), places, callers-places-queue)
		}
		close(all)
		synctest.Wait()
		if right.Load() != places+queue || most > places {
			t.Errorf("%d were let in, at most %d at once; want %d and %d", right.Load(), most, places+queue, places)
		}
		if peak > 256<<20 {
			t.Errorf("the heap grew to %d MiB", peak>>20)
		}
		t.Logf("peak heap %d MiB", peak>>20)
	})
}

// A caller who waits is sent away after two seconds, or leaves. Nothing is hashed for
// them after that.
func TestSemaphoreWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := passwords(t, func(c *password.Config) { c.Hashes = 1 })
		stuck := make(chan struct{})
		hashes := 0
		p.OnHash(func(_, _ uint32) {
			hashes++
			<-stuck
		})
		done := make(chan bool)
		go func() {
			_, err := p.Hash(t.Context(), good)
			done <- err == nil
		}()
		synctest.Wait()

		start := time.Now()
		var busy *password.BusyError
		if _, _, err := p.Verify(t.Context(), "", good); !errors.As(err, &busy) || busy.Retry <= 0 {
			t.Errorf("%v, want BusyError", err)
		}
		if d := time.Since(start); d != 2*time.Second {
			t.Errorf("sent away after %v", d)
		}
		start = time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := p.Hash(ctx, good); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, want the context's", err)
		}
		if d := time.Since(start); d != time.Second {
			t.Errorf("left after %v", d)
		}
		close(stuck)
		if !<-done {
			t.Error("the caller who was inside got no hash")
		}
		if _, _, err := p.Verify(ctx, "", good); !errors.Is(err, context.DeadlineExceeded) || hashes != 1 {
			t.Errorf("%v after %d hashes; want the context's after 1", err, hashes)
		}
		if _, _, err := p.Verify(t.Context(), "", good); err != nil {
			t.Errorf("no place was left: %v", err)
		}
	})
}

package recall

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"
)

// An outage of the store begins with a read that fails and ends with one that
// does not. In between nobody who is known waits for the store, so that one that
// hangs holds up nobody: one read at a time finds out whether it is back.
type outage[V any] struct {
	down, asking atomic.Bool
	again        func(context.Context, string, *Entry[V]) error
}

// patience is how long whoever begins such a read waits for it, so that a store
// that is back is believed at once.
const patience = 50 * time.Millisecond

// reached notes how a read has ended.
func (m *Memory[V]) reached(ctx context.Context, err error) {
	down := err != nil
	if m.config.OutageLease == 0 || m.outage.down.Load() == down || m.outage.down.Swap(down) == down {
		return
	}
	if down {
		m.config.Logger.ErrorContext(ctx, "store lost: who is known goes on", slog.Any("err", err), slog.Duration("lease", m.config.OutageLease))
	} else {
		m.config.Logger.InfoContext(ctx, "store found again")
	}
}

// outlast returns what may be used of a token instead of e, which is known but
// holds no more: a new answer of the store, or e itself where there is none for
// now; nil where it is refused, or e has ended.
func (m *Memory[V]) outlast(token string, e *Entry[V], now time.Time) *Entry[V] {
	if !m.fresh.outlasts(&e.mark, now) {
		return nil
	}
	began := time.Now()
	if err := m.ask(token, e.sum, now); err == nil {
		return m.holding(&e.sum, now)
	}
	now = now.Add(time.Since(began)) // the store may have hung
	if !m.fresh.outlasts(&e.mark, now) || e.Expired(now) {
		return nil
	}
	return e
}

// ask asks the store about a token that is known, or says why it will not.
func (m *Memory[V]) ask(token string, sum [32]byte, now time.Time) error {
	ask := func() error {
		_, err := m.share(context.Background(), sum, now, func(ctx context.Context, e *Entry[V]) error {
			return m.outage.again(ctx, token, e)
		})
		return err
	}
	if !m.outage.down.Load() {
		return ask()
	}
	if !m.outage.asking.CompareAndSwap(false, true) {
		return errLost
	}
	asked := make(chan error, 1)
	go func() {
		err := errLost
		defer func() {
			if p := recover(); p != nil { // which for a request net/http would do
				m.config.Logger.Error("store panicked", slog.Any("panic", p))
			}
			m.outage.asking.Store(false)
			asked <- err
		}()
		err = ask()
	}()
	wait := time.NewTimer(patience)
	defer wait.Stop()
	select {
	case err := <-asked:
		return err
	case <-wait.C:
		return errLost
	}
}

var errLost = errors.New("recall: store lost")

package recall

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"time"

	"medtwin.ai/tollgate/store"
)

// Config of a Memory. Its owner has checked it.
type Config struct {
	Size        int           // how many verified tokens are remembered
	Lease       time.Duration // how long an answer holds without a sign of life from Changes
	MaxAge      time.Duration // how long it holds at most, whatever Changes says; 0: a minute, or Lease if longer
	OutageLease time.Duration // how long it holds instead while the store cannot be reached
	Timeout     time.Duration // of one read of the store
	Unavailable error         // wraps whatever kept the store from answering

	Changes store.Changes
	Touch   func(context.Context, []store.Use) error // records uses
	Grain   time.Duration                            // of recorded uses
	Logger  *slog.Logger
}

// The defaults of Config.
const (
	DefaultSize    = 65_536
	DefaultLease   = 5 * time.Second
	DefaultMaxAge  = time.Minute
	DefaultTimeout = 2 * time.Second
)

// A Memory caches what a store said about tokens, for as long as that is sure to hold.
// Requests for the same token at the same time share one read of the store. A V is what
// a token proves. Safe for concurrent use.
type Memory[V any] struct {
	config   Config
	fresh    freshness
	verified *cache[V]
	refused  *cache[V] // apart, so that made-up tokens cannot push out real ones
	flights  flights[V]
	uses     uses
	outage   outage[V]
}

// New returns an empty memory. For Config.OutageLease, again asks the store
// about a token that was verified before. An owner that only calls Get may leave it
// nil: Get then asks by its own argument.
func New[V any](c Config, again func(context.Context, string, *Entry[V]) error) *Memory[V] {
	c.MaxAge = cmp.Or(c.MaxAge, max(DefaultMaxAge, c.Lease))
	m := &Memory[V]{config: c, verified: newCache[V](c.Size), refused: newCache[V](c.Size / 16)}
	m.fresh.lease, m.fresh.age, m.fresh.outage, m.fresh.base = c.Lease, c.MaxAge, c.OutageLease, time.Now()
	m.outage.again = again
	m.flights.unavailable = c.Unavailable
	return m
}

// MaxDelay returns the longest time for which an answer is still used after the
// store would give another one. A stream that is alive may renew an answer until
// its greatest age, and an outage of the store may begin then.
func (m *Memory[V]) MaxDelay() time.Duration {
	return m.config.MaxAge + m.config.OutageLease
}

// Streaming reports whether the stream of changes is alive at now: every change
// that was committed a lease ago has been reported, if the stream tells of it.
func (m *Memory[V]) Streaming(now time.Time) bool {
	alive := m.fresh.alive.Load()
	return alive > 0 && int64(now.Sub(m.fresh.base)) < alive+int64(m.config.Lease)
}

// digest is the cache's key: the token itself stays out of memory that lives
// longer than the request.
func digest(token string) [32]byte {
	var b [maxToken]byte // none is allocated for
	return sha256.Sum256(b[:copy(b[:], token)])
}

// maxToken is more than any opaque token has: prefix and body.
const maxToken = 128

// Forget ends what is known about an id, after a change to it was committed.
func (m *Memory[V]) Forget(id string) { m.fresh.Forget(id) }

// Use notes a use of what e is about, to be recorded: at most one for every
// grain. Of all that come within one grain only the first takes a lock.
func (m *Memory[V]) Use(e *Entry[V], now time.Time) {
	grain := m.config.Grain
	if e.Idle > 0 { // as it was when the session began, whatever is configured now
		grain = min(grain, max(e.Idle/8, time.Second))
	}
	this := now.UnixNano()/int64(grain) + 1 // never 0, the zero entry's
	if used := e.used.Load(); this > used && e.used.CompareAndSwap(used, this) {
		m.uses.add(e.id, now)
	}
}

// Recall returns what is known and still holds about a verified token, or nil.
// It does not ask the store, unless the entry may outlive an outage.
func (m *Memory[V]) Recall(token string, now time.Time) *Entry[V] {
	if len(token) > maxToken {
		return nil
	}
	sum := digest(token)
	return m.recall(token, &sum, now, nil)
}

// Knows reports whether token was verified and has not been refused since, even if
// what is known does not hold any more.
func (m *Memory[V]) Knows(token string, now time.Time) bool {
	if len(token) > maxToken {
		return false
	}
	sum := digest(token)
	e := m.verified.get(&sum)
	return e != nil && !e.Expired(now)
}

func (m *Memory[V]) recall(token string, sum *[32]byte, now time.Time, ask func(context.Context, *Entry[V]) error) *Entry[V] {
	e := m.verified.get(sum)
	if e == nil || e.Expired(now) {
		return nil
	}
	if !m.fresh.holds(&e.mark, now) {
		return m.serveDuringOutage(token, e, now, ask)
	}
	return e
}

// holding is recall of what needs no store.
func (m *Memory[V]) holding(sum *[32]byte, now time.Time) *Entry[V] {
	e := m.verified.get(sum)
	if e == nil || e.Expired(now) || !m.fresh.holds(&e.mark, now) {
		return nil
	}
	return e
}

// Get returns the answer about a token, of at most 128 bytes: from memory, or
// from ask, which fills in the entry it is given or says why it cannot tell.
// The entry of a refusal has Err set.
func (m *Memory[V]) Get(ctx context.Context, token string, now time.Time, ask func(context.Context, *Entry[V]) error) (*Entry[V], error) {
	sum := digest(token)
	if e := m.recall(token, &sum, now, ask); e != nil {
		return e, nil
	}
	if e := m.refused.get(&sum); e != nil && m.fresh.untouched(&e.mark, now) {
		return e, nil
	}
	return m.share(ctx, sum, now, ask)
}

// share asks once for all callers that ask at the same time. A caller that joins a
// flight may have begun after a change that its read did not see; then the answer
// does not hold, and the second flight began after the caller did.
func (m *Memory[V]) share(ctx context.Context, sum [32]byte, now time.Time, ask func(context.Context, *Entry[V]) error) (*Entry[V], error) {
	for second := false; ; second = true {
		c, lead := m.flights.join(sum)
		if lead {
			func() {
				defer m.flights.land(sum, c)
				if e := m.holding(&sum, now); e != nil { // of a flight that has landed just now
					c.e, c.err = e, nil
				} else {
					c.e, c.err = m.read(ctx, sum, now, ask)
				}
			}()
			return c.e, c.err
		}
		select {
		case <-c.done:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", m.config.Unavailable, ctx.Err())
		}
		if c.err != nil || second || m.fresh.holds(&c.e.mark, now) {
			return c.e, c.err
		}
	}
}

// read asks and remembers the answer, unless there was none. The caller's
// going away does not end a read that others may wait for.
func (m *Memory[V]) read(ctx context.Context, sum [32]byte, now time.Time, ask func(context.Context, *Entry[V]) error) (*Entry[V], error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.config.Timeout)
	defer cancel()
	e := &Entry[V]{mark: mark{sum: sum, Read: now}}
	e.number = m.fresh.last.Load() // before the read
	old := m.verified.get(&sum)
	if old != nil {
		e.used.Store(old.used.Load())
		e.last.Store(old.last.Load()) // a session was seen later than the store knows
	}
	err := ask(ctx, e)
	m.reached(ctx, err)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", m.config.Unavailable, err)
	}
	if e.Err == nil && !e.Once {
		m.verified.put(e)
		return e, nil
	}
	if !e.Once {
		m.refused.put(e)
	}
	if old != nil { // the store knows better by now, and may be down the next time
		m.verified.drop(old)
	}
	return e, nil
}

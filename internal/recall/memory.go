package recall

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/store"
)

// Config of a Memory. The owner of the Memory has checked it.
type Config struct {
	Size        int           // how many verified tokens are cached
	Lease       time.Duration // how long an answer is used without a sign of life of Changes
	MaxAge      time.Duration // how long it is used at most, whatever Changes says; 0: a minute, or Lease if that is longer
	OutageLease time.Duration // how long it is used instead while the store cannot be reached
	Timeout     time.Duration // the longest read of the store

	Changes store.Changes
	Touch   func(context.Context, []store.Use) error // records uses
	Grain   time.Duration                            // how precisely uses are recorded
	Logger  *slog.Logger
}

// The defaults of Config.
const (
	DefaultSize    = 65_536
	DefaultLease   = 5 * time.Second
	DefaultMaxAge  = time.Minute
	DefaultTimeout = 2 * time.Second
)

// A Memory caches what a store says about tokens, for as long as that is known
// to hold: see freshness. Requests for the same token at the same time share
// one read of the store. V is what a token proves. A Memory is safe for
// concurrent use.
type Memory[V any] struct {
	config   Config
	fresh    freshness
	verified *cache[V]
	refused  *cache[V] // separate, so that made-up tokens cannot push out real ones
	flights  flights[V]
	uses     uses
	outage   outage[V]
}

// New returns an empty Memory. again asks the store about a token that was
// verified before, for Config.OutageLease. An owner that only calls Get may
// pass nil: then the argument of Get is used.
func New[V any](c Config, again func(context.Context, string, *Entry[V]) error) *Memory[V] {
	c.MaxAge = cmp.Or(c.MaxAge, max(DefaultMaxAge, c.Lease))
	m := &Memory[V]{config: c, verified: newCache[V](c.Size), refused: newCache[V](c.Size / 16)}
	m.fresh.lease, m.fresh.age, m.fresh.outage, m.fresh.base = c.Lease, c.MaxAge, c.OutageLease, time.Now()
	m.outage.again = again
	return m
}

// MaxDelay returns the longest time for which an answer is used after the store
// would give another one. A living stream may renew an answer until its
// greatest age, and an outage of the store may begin at that moment.
func (m *Memory[V]) MaxDelay() time.Duration {
	return m.config.MaxAge + m.config.OutageLease
}

// Streaming reports whether the stream of changes is alive at now. Then every
// change that was committed a lease ago has been reported, if the stream tells
// of it.
func (m *Memory[V]) Streaming(now time.Time) bool {
	alive := m.fresh.alive.Load()
	return alive > 0 && int64(now.Sub(m.fresh.base)) < alive+int64(m.config.Lease)
}

// digest returns the key of the cache. The token itself is not kept in memory
// that lives longer than the request.
func digest(token string) [32]byte {
	var b [maxToken]byte // on the stack
	return sha256.Sum256(b[:copy(b[:], token)])
}

// maxToken is longer than any opaque token.
const maxToken = 128

// Forget ends every answer that depends on an id. Call it after a change of the
// id has been committed.
func (m *Memory[V]) Forget(id string) { m.fresh.Forget(id) }

// Use notes a use of what e is about, which extends its idle time. The use is
// recorded later: at most one in each grain. Of all uses in one grain only the
// first takes a lock.
func (m *Memory[V]) Use(e *Entry[V], now time.Time) {
	grain := m.config.Grain
	if e.Idle > 0 { // that of the session, whatever is configured now
		e.Seen(now)
		grain = min(grain, max(e.Idle/8, time.Second))
	}
	this := now.UnixNano()/int64(grain) + 1 // never 0, which a new entry has
	if used := e.used.Load(); this > used && e.used.CompareAndSwap(used, this) {
		m.uses.add(e.id, now)
	}
}

// Recall returns the answer about a verified token if it still holds. It does
// not ask the store, unless the entry may outlive an outage. Errors:
//
//   - authn.ErrStale: the token was verified and has not been refused or ended
//     since, but the answer no longer holds.
//   - authn.ErrNotRemembered: anything else.
func (m *Memory[V]) Recall(token string, now time.Time) (*Entry[V], error) {
	if len(token) > maxToken {
		return nil, authn.ErrNotRemembered
	}
	sum := digest(token)
	if e := m.recall(token, &sum, now, nil); e != nil {
		return e, nil
	}
	if e := m.verified.get(&sum); e != nil && !e.Expired(now) {
		return nil, authn.ErrStale
	}
	return nil, authn.ErrNotRemembered
}

// recall is Recall for a digest. ask is used during an outage if there is no
// again.
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

// holding is recall without the store.
func (m *Memory[V]) holding(sum *[32]byte, now time.Time) *Entry[V] {
	e := m.verified.get(sum)
	if e == nil || e.Expired(now) || !m.fresh.holds(&e.mark, now) {
		return nil
	}
	return e
}

// Get returns the answer about a token of at most 128 bytes. It is cached, or
// comes from ask, which fills in the entry that it is given or returns why it
// could not. Errors:
//
//   - authn.ErrUnavailable: ask could not tell. Nothing is cached.
//   - the Err of the entry: ask refused the token.
//   - authn.ErrExpired: the token has ended by time.
func (m *Memory[V]) Get(ctx context.Context, token string, now time.Time, ask func(context.Context, *Entry[V]) error) (*Entry[V], error) {
	e, err := m.answer(ctx, token, now, ask)
	switch {
	case err != nil:
		return nil, err
	case e.Err != nil:
		return nil, e.Err
	case e.Expired(now):
		return nil, authn.ErrExpired
	}
	return e, nil
}

// answer is Get, and returns a refusal as an entry.
func (m *Memory[V]) answer(ctx context.Context, token string, now time.Time, ask func(context.Context, *Entry[V]) error) (*Entry[V], error) {
	sum := digest(token)
	if e := m.recall(token, &sum, now, ask); e != nil {
		return e, nil
	}
	if e := m.refused.get(&sum); e != nil && m.fresh.untouched(&e.mark, now) {
		return e, nil
	}
	return m.share(ctx, sum, now, ask)
}

// share asks the store once for all callers that ask at the same time.
//
// A caller may join a read that began before the caller did. A change in
// between may then be missing from the answer. freshness knows that, and the
// answer does not hold. The caller then joins or begins a second read, which
// began after the caller did.
func (m *Memory[V]) share(ctx context.Context, sum [32]byte, now time.Time, ask func(context.Context, *Entry[V]) error) (*Entry[V], error) {
	for second := false; ; second = true {
		c, lead := m.flights.join(sum)
		if lead {
			func() {
				defer m.flights.land(sum, c)
				if e := m.holding(&sum, now); e != nil { // of a flight that has just landed
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
			return nil, fmt.Errorf("%w: %w", authn.ErrUnavailable, ctx.Err())
		}
		if c.err != nil || second || m.fresh.holds(&c.e.mark, now) {
			return c.e, c.err
		}
	}
}

// read asks the store, and caches the answer. A caller that goes away does not
// end the read, because others may wait for it. An error is not cached.
func (m *Memory[V]) read(ctx context.Context, sum [32]byte, now time.Time, ask func(context.Context, *Entry[V]) error) (*Entry[V], error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.config.Timeout)
	defer cancel()
	e := &Entry[V]{mark: mark{sum: sum, Read: now}}
	e.number = m.fresh.last.Load() // before the read: see freshness
	old := m.verified.get(&sum)
	if old != nil {
		e.used.Store(old.used.Load())
		e.last.Store(old.last.Load()) // the store learns of uses late
	}
	err := ask(ctx, e)
	m.reached(ctx, err)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", authn.ErrUnavailable, err)
	}
	if e.Err == nil && !e.Once {
		m.verified.put(e)
		return e, nil
	}
	if !e.Once {
		m.refused.put(e)
	}
	if old != nil { // what is cached is out of date, and the store may be down the next time
		m.verified.drop(old)
	}
	return e, nil
}

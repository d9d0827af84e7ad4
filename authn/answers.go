package authn

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"
)

// answers remembers what a store said about tokens, for as long as that is
// sure to hold, and asks it once for all who ask at the same time.
type answers struct {
	fresh    freshness
	timeout  time.Duration // of one read of the store
	verified *cache
	refused  *cache // apart, so that made-up tokens cannot push out real ones
	flights  flights
}

func newAnswers(size int, lease, timeout time.Duration) *answers {
	a := &answers{timeout: timeout, verified: newCache(size), refused: newCache(size / 16)}
	a.fresh.lease, a.fresh.base = lease, time.Now()
	return a
}

// digest is the cache's key: the token itself stays out of memory that lives
// longer than the request.
func digest(token string) [32]byte {
	var b [maxToken]byte // none is allocated for
	return sha256.Sum256(b[:copy(b[:], token)])
}

// maxToken is more than any opaque token has: prefix and body.
const maxToken = 128

// recall returns what is known and still holds about a verified token, or nil.
func (a *answers) recall(sum *[32]byte, now time.Time) *entry {
	e := a.verified.get(sum)
	if e == nil || !a.fresh.holds(e, now) || e.expired(now) {
		return nil
	}
	return e
}

// get returns the answer about a token: from memory, or from ask, which fills
// in the entry it is given or says why it cannot tell. The entry of a refusal
// has err set.
func (a *answers) get(ctx context.Context, sum [32]byte, now time.Time, ask func(context.Context, *entry) error) (*entry, error) {
	if e := a.recall(&sum, now); e != nil {
		return e, nil
	}
	if e := a.refused.get(&sum); e != nil && a.fresh.untouched(e, now) {
		return e, nil
	}
	// Whoever joins a flight may have begun after a change that its read did
	// not see; then the answer does not hold, and the second flight began
	// after he did.
	for second := false; ; second = true {
		c, lead := a.flights.join(sum)
		if lead {
			func() {
				defer a.flights.land(sum, c)
				c.e, c.err = a.read(ctx, sum, now, ask)
			}()
			return c.e, c.err
		}
		select {
		case <-c.done:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
		}
		if c.err != nil || second || a.fresh.holds(c.e, now) {
			return c.e, c.err
		}
	}
}

// read asks and remembers the answer, unless there was none. The caller's
// going away does not end a read that others may wait for.
func (a *answers) read(ctx context.Context, sum [32]byte, now time.Time, ask func(context.Context, *entry) error) (*entry, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.timeout)
	defer cancel()
	e := &entry{sum: sum, read: now}
	e.number = a.fresh.last.Load() // before the read
	if old := a.verified.get(&sum); old != nil {
		e.used.Store(old.used.Load())
	}
	if err := ask(ctx, e); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if e.err != nil {
		a.refused.put(e)
	} else {
		a.verified.put(e)
	}
	return e, nil
}

package secretscan

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

const (
	expiry         = 7 * 24 * time.Hour
	poll           = 10 * time.Second
	lease          = time.Minute     // of a report to one process; then that has died
	releaseTimeout = 4 * time.Second // for its claim to end, though Run does; else it ends with the lease
)

// Run handles the reports that wait, once their keys can be had, until ctx
// ends, and returns nil.
func (rc *Receiver) Run(ctx context.Context) error {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		if rc.early || rc.keys.wanted() {
			rc.keys.refresh(ctx, current) // it logs that it has failed, and is done again
		}
		if err := rc.catchUp(ctx); err != nil && ctx.Err() == nil {
			rc.log.ErrorContext(ctx, "leak reports wait longer", slog.Any("err", err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-rc.wake:
		case <-tick.C:
		}
	}
}

// catchUp handles what waits, the oldest first, and what no other process is
// handling. It drops what turns out to be from somebody else, and what could
// not be verified within a week, and says how many those were: in one line,
// since anybody can send such.
func (rc *Receiver) catchUp(ctx context.Context) error {
	handled, dropped := 0, 0
	defer func() {
		if out := int(rc.pushedOut.Swap(0)); handled+dropped+out > 0 {
			rc.log.WarnContext(ctx, "leak reports that waited", slog.Int("handled", handled), slog.Int("dropped", dropped), slog.Int("pushed_out", out))
		}
	}()
	var w Waiting
	for {
		next, err := rc.store.Next(ctx, w, rc.now())
		if err != nil {
			return fmt.Errorf("secretscan: %w", err)
		}
		if next.ID == nil {
			return nil
		}
		w = next
		var why *refusal
		body, bad := rc.open(ctx, w)
		switch {
		case errors.Is(bad, errSource) && rc.now().Sub(w.Received) <= expiry:
			continue // the key of the next one may be here
		case bad != nil && !errors.Is(bad, errSource) && !errors.As(bad, &why):
			return bad
		}
		handle := func(on func() error) error {
			_, err := rc.handle(ctx, body, on)
			return err
		}
		if bad != nil {
			handle = func(func() error) error { return bad }
		}
		switch err := rc.alone(ctx, w.ID, handle); {
		case err == nil:
			handled++
		case errors.As(err, &why), errors.Is(err, errSource):
			dropped++
		case !errors.Is(err, errTaken):
			return err
		}
	}
}

var errTaken = errors.New("secretscan: another process handles the report")

// alone handles a report that has been verified, or drops one that has not been, and is
// then done with it unless it has to be done again.
func (rc *Receiver) alone(ctx context.Context, id []byte, handle func(on func() error) error) error {
	c := &claim{id: id}
	if err := rc.hold(ctx, c); err != nil {
		return err
	}
	err := handle(func() error { return rc.hold(ctx, c) })
	why := (*refusal)(nil)
	done := err == nil || errors.As(err, &why) || errors.Is(err, errSource)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	bad := rc.store.End(ctx, id, c.until, done)
	if bad != nil {
		bad = fmt.Errorf("secretscan: %w", bad)
	}
	return cmp.Or(err, bad)
}

// A claim keeps other processes from a report.
type claim struct {
	id    []byte
	until time.Time // zero: it has not begun
}

// hold begins a claim, or extends one that is half over.
func (rc *Receiver) hold(ctx context.Context, c *claim) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	now, begun := rc.now(), !c.until.IsZero()
	if begun && c.until.Sub(now) > lease/2 {
		return nil
	}
	until := now.Add(lease).Truncate(time.Microsecond)
	switch ok, err := rc.store.Claim(ctx, c.id, c.until, until, now); {
	case err != nil:
		return fmt.Errorf("secretscan: %w", err)
	case !ok:
		return errTaken
	}
	c.until = until
	return nil
}

// open returns the body of a report that has waited, once it is verified.
func (rc *Receiver) open(ctx context.Context, w Waiting) (body []byte, err error) {
	plain, err := rc.seal.Open(nil, nil, w.Sealed, w.ID)
	if err != nil { // sealed under another secret: nobody can tell what it was
		return nil, errSignature
	}
	key, rest, _ := bytes.Cut(plain, []byte("\n"))
	signature, body, _ := bytes.Cut(rest, []byte("\n"))
	if len(key) > 0 {
		err = rc.verify(ctx, string(key), string(signature), body)
	}
	return body, err
}

package leak

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
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
	var received int64
	id := []byte{}
	for {
		var sealed []byte
		err := rc.db.Row(ctx, `SELECT id, received, sealed FROM server_leak_reports
			WHERE (received, id) > (?1, ?2) AND busy <= ?3 ORDER BY received, id LIMIT 1`,
			received, id, rc.now().UnixMicro()).Scan(&id, &received, &sealed)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("leak: %w", err)
		}
		var why *refusal
		body, bad := rc.open(ctx, id, sealed)
		switch {
		case errors.Is(bad, errSource) && rc.now().Sub(time.UnixMicro(received)) <= expiry:
			continue // the key of the next one may be here
		case bad != nil && !errors.Is(bad, errSource) && !errors.As(bad, &why):
			return bad
		}
		if bad != nil {
			n, err := rc.db.Exec(ctx, `DELETE FROM server_leak_reports WHERE id = ?1 AND busy <= ?2`, id, rc.now().UnixMicro())
			if err != nil {
				return fmt.Errorf("leak: %w", err)
			}
			dropped += int(n)
			continue
		}
		switch err := rc.alone(ctx, id, body); {
		case err == nil:
			handled++
		case errors.As(err, &why):
			dropped++
		case !errors.Is(err, errTaken):
			return err
		}
	}
}

var errTaken = errors.New("leak: another process handles the report")

// alone handles a report that has been verified, and is then done with it
// unless it has to be done again.
func (rc *Receiver) alone(ctx context.Context, id, body []byte) error {
	c := &claim{id: id}
	if err := rc.hold(ctx, c); err != nil {
		return err
	}
	_, err := rc.handle(ctx, body, func() error { return rc.hold(ctx, c) })
	end := `DELETE FROM server_leak_reports`
	if why := (*refusal)(nil); err != nil && !errors.As(err, &why) {
		end = `UPDATE server_leak_reports SET busy = 0`
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	_, bad := rc.db.Exec(ctx, end+` WHERE id = ?1 AND busy = ?2`, id, c.until.UnixMicro())
	if bad != nil {
		bad = fmt.Errorf("leak: %w", bad)
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
	until, was := now.Add(lease).Truncate(time.Microsecond), int64(0)
	if begun {
		was = c.until.UnixMicro()
	}
	n, err := rc.db.Exec(ctx, `UPDATE server_leak_reports SET busy = ?2 WHERE id = ?1 AND (busy = ?3 OR ?3 = 0 AND busy <= ?4)`,
		c.id, until.UnixMicro(), was, now.UnixMicro())
	switch {
	case err != nil:
		return fmt.Errorf("leak: %w", err)
	case n == 0:
		return errTaken
	}
	c.until = until
	return nil
}

// open returns the body of a report that has waited, once it is verified.
func (rc *Receiver) open(ctx context.Context, id, sealed []byte) (body []byte, err error) {
	plain, err := rc.seal.Open(nil, nil, sealed, id)
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

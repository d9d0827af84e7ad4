package leak

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

const (
	maxWaiting      = 1000     // reports
	maxWaitingBytes = 64 << 20 // of all of them
	expiry          = 7 * 24 * time.Hour
	poll            = 10 * time.Second
)

const schema = `CREATE TABLE IF NOT EXISTS server_leak_reports (
	id       BLOB NOT NULL PRIMARY KEY, -- SHA-256 of what is sealed
	received INTEGER NOT NULL,          -- microseconds since 1970
	sealed   BLOB NOT NULL              -- AES-256-GCM
) STRICT;
CREATE INDEX IF NOT EXISTS server_leak_reports_received ON server_leak_reports (received, id)`

// keep acknowledges a report that Run will handle, one that waits already as
// well. A report whose key is "" has been verified. Where the table is full it
// is the newest that is refused: its sender sends it again, and nobody can
// push out what others have sent.
func (rc *Receiver) keep(ctx context.Context, key, signature string, body []byte) error {
	plain := bytes.Join([][]byte{[]byte(key), []byte(signature), body}, []byte("\n")) // headers hold no newline
	id := sha256.Sum256(plain)
	sealed := rc.seal.Seal(nil, nil, plain, id[:])
	res, err := rc.db.ExecContext(ctx, `INSERT INTO server_leak_reports (id, received, sealed) SELECT ?1, ?2, ?3
		WHERE (SELECT count(*) < ?4 AND coalesce(sum(length(sealed)), 0) + length(?3) <= ?5 FROM server_leak_reports)
		OR EXISTS (SELECT 1 FROM server_leak_reports WHERE id = ?1) ON CONFLICT DO UPDATE SET id = id`,
		id[:], rc.now().UnixMicro(), sealed, maxWaiting, maxWaitingBytes)
	if err != nil {
		return fmt.Errorf("leak: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, errFull)
	}
	return errLater
}

// Run handles the reports that wait, once their keys can be had, until ctx
// ends, and returns nil.
func (rc *Receiver) Run(ctx context.Context) error {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		rc.keys.refresh(ctx, current) // it logs that it has failed, and is done again
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

// catchUp handles what waits, the oldest first. It drops what turns out to be
// from somebody else, and what could not be verified within a week, and says
// how many those were: in one line, since anybody can send such.
func (rc *Receiver) catchUp(ctx context.Context) error {
	handled, dropped := 0, 0
	defer func() {
		if handled+dropped > 0 {
			rc.log.WarnContext(ctx, "leak reports that waited", slog.Int("handled", handled), slog.Int("dropped", dropped))
		}
	}()
	var received int64
	var id, sealed []byte
	for {
		err := rc.db.QueryRowContext(ctx, `SELECT id, received, sealed FROM server_leak_reports
			WHERE (received, id) > (?, ?) ORDER BY received, id LIMIT 1`, received, id).Scan(&id, &received, &sealed)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("leak: %w", err)
		}
		err = rc.settle(ctx, id, sealed)
		var why *refusal
		switch {
		case err == nil:
			handled++
		case errors.As(err, &why), errors.Is(err, errSource) && rc.now().Sub(time.UnixMicro(received)) > expiry:
			dropped++
		case errors.Is(err, errSource):
			continue // the key of the next one may be here
		default:
			return err
		}
		if _, err := rc.db.ExecContext(ctx, `DELETE FROM server_leak_reports WHERE id = ?`, id); err != nil {
			return fmt.Errorf("leak: %w", err)
		}
	}
}

// settle verifies a report that has waited, and handles it.
func (rc *Receiver) settle(ctx context.Context, id, sealed []byte) error {
	plain, err := rc.seal.Open(nil, nil, sealed, id)
	if err != nil { // sealed under another secret: nobody can tell what it was
		return errSignature
	}
	key, rest, _ := bytes.Cut(plain, []byte("\n"))
	signature, body, _ := bytes.Cut(rest, []byte("\n"))
	if len(key) > 0 {
		if err := rc.verify(ctx, string(key), string(signature), body); err != nil {
			return err
		}
	}
	_, err = rc.handle(ctx, body)
	return err
}

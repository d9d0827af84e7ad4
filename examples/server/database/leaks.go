package database

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"medtwin.ai/tollgate/secretscan"
)

// LeakReports keeps reports of leaked keys in the table leak_reports.
type LeakReports struct{ db *DB }

var _ secretscan.Store = LeakReports{}

// LeakReports returns the store of leak reports in this database.
func (d *DB) LeakReports() LeakReports { return LeakReports{d} }

// Add implements [secretscan.Store].
func (l LeakReports) Add(ctx context.Context, w secretscan.Waiting, room, share secretscan.Room) (dropped int, err error) {
	const measure = `SELECT count(*), coalesce(sum(length(sealed)), 0) FROM tollgate_server.leak_reports`
	err = l.db.Do(ctx, func(tx Tx) (err error) {
		dropped = 0
		if err = tx.Lock(ctx, "leak reports"); err != nil { // which are counted
			return err
		}
		var there, reports, size int
		if err = tx.Row(ctx, `SELECT count(*) FROM tollgate_server.leak_reports WHERE id = $1`, w.ID).Scan(&there); err != nil || there > 0 {
			return err
		}
		if w.Origin != "" {
			if err = tx.Row(ctx, measure+` WHERE origin = $1`, w.Origin).Scan(&reports, &size); err != nil {
				return err
			}
			if reports >= share.Reports || size+len(w.Sealed) > share.Bytes {
				return secretscan.ErrFull
			}
		}
		for ; ; dropped++ {
			if err = tx.Row(ctx, measure).Scan(&reports, &size); err != nil {
				return err
			}
			if reports < room.Reports && size+len(w.Sealed) <= room.Bytes {
				break
			}
			if err = drop(ctx, tx, w.Received, room); err != nil {
				return err
			}
		}
		_, err = tx.Exec(ctx, `INSERT INTO tollgate_server.leak_reports (id, received, sealed, origin) VALUES ($1, CAST($2 AS BIGINT), $3, $4)`,
			w.ID, w.Received.UnixMicro(), w.Sealed, w.Origin)
		return err
	})
	if err != nil {
		return 0, err
	}
	return dropped, nil
}

// drop drops the oldest unverified report of the network that takes the most room.
func drop(ctx context.Context, tx Tx, now time.Time, room secretscan.Room) error {
	changed, err := tx.Exec(ctx, `DELETE FROM tollgate_server.leak_reports WHERE id = (
		SELECT id FROM tollgate_server.leak_reports WHERE busy <= $1 AND origin = (
			SELECT origin FROM tollgate_server.leak_reports WHERE origin <> '' AND busy <= $1
			GROUP BY origin ORDER BY count(*) + sum(length(sealed)) / CAST($2 AS BIGINT) DESC, min(received), origin LIMIT 1)
		ORDER BY received, id LIMIT 1)`, now.UnixMicro(), room.Bytes/room.Reports)
	if err == nil && changed == 0 {
		err = secretscan.ErrFull
	}
	return err
}

// Next implements [secretscan.Store].
func (l LeakReports) Next(ctx context.Context, after secretscan.Waiting, now time.Time) (w secretscan.Waiting, err error) {
	id := append([]byte{}, after.ID...) // NULL would come after nothing
	err = l.db.Row(ctx, `SELECT id, received, sealed, origin FROM tollgate_server.leak_reports
		WHERE (received, id) > ($1, $2) AND busy <= $3 ORDER BY received, id LIMIT 1`,
		after.Received.UnixMicro(), id, now.UnixMicro()).Scan(&w.ID, micros{&w.Received}, &w.Sealed, &w.Origin)
	if errors.Is(err, sql.ErrNoRows) {
		return secretscan.Waiting{}, nil
	}
	return w, err
}

// Claim implements [secretscan.Store].
func (l LeakReports) Claim(ctx context.Context, id []byte, was, until, now time.Time) (bool, error) {
	n, err := l.db.Exec(ctx, `UPDATE tollgate_server.leak_reports SET busy = $2 WHERE id = $1 AND (busy = $3 OR CAST($3 AS BIGINT) = 0 AND busy <= $4)`,
		id, until.UnixMicro(), orZero(was), now.UnixMicro())
	return n > 0, err
}

// End implements [secretscan.Store].
func (l LeakReports) End(ctx context.Context, id []byte, until time.Time, done bool) error {
	end := `UPDATE tollgate_server.leak_reports SET busy = 0`
	if done {
		end = `DELETE FROM tollgate_server.leak_reports`
	}
	_, err := l.db.Exec(ctx, end+` WHERE id = $1 AND busy = $2`, id, until.UnixMicro())
	return err
}

// orZero returns microseconds, 0 for the zero time.
func orZero(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

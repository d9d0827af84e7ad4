package database

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"medtwin.ai/tollgate/webhook"
)

// Webhooks keeps endpoints and deliveries in the tables webhooks and deliveries. All
// transactions change endpoints before deliveries, so that no two of them wait for
// each other.
type Webhooks struct{ db *DB }

var _ webhook.Store = Webhooks{}

// Webhooks returns the store of webhooks in this database.
func (d *DB) Webhooks() Webhooks { return Webhooks{d} }

// A batch is statements that take effect together. After one fails the others
// do nothing.
type batch struct {
	ctx context.Context
	tx  Tx
	err error
}

// do executes a statement and returns how many rows it changed.
func (b *batch) do(statement string, args ...any) (changed int64) {
	if b.err == nil {
		changed, b.err = b.tx.Exec(b.ctx, statement, args...)
	}
	return changed
}

// lock keeps others from an account's endpoints: from adding, removing and
// queueing, not from delivering.
func (b *batch) lock(account string) {
	if b.err == nil {
		b.err = b.tx.Lock(b.ctx, "webhooks of "+account)
	}
}

func (w Webhooks) together(ctx context.Context, statements func(*batch)) error {
	return w.db.Do(ctx, func(tx Tx) error {
		b := &batch{ctx: ctx, tx: tx}
		statements(b)
		return b.err
	})
}

// Add implements [webhook.Store].
func (w Webhooks) Add(ctx context.Context, account string, e webhook.Endpoint, most int) error {
	var made int64
	err := w.together(ctx, func(b *batch) {
		b.lock(account) // they are counted
		made = b.do(`INSERT INTO tollgate_server.webhooks (id, account, url, kinds, created)
			SELECT $1, $2, $3, $4, CAST($5 AS BIGINT) WHERE (SELECT count(*) FROM tollgate_server.webhooks WHERE account = $2) < $6`,
			e.ID, account, e.URL, strings.Join(e.Kinds, " "), e.Created.UnixMicro(), most)
	})
	if err == nil && made == 0 {
		err = webhook.ErrQuota
	}
	return err
}

// List implements [webhook.Store].
func (w Webhooks) List(ctx context.Context, account string) (list []webhook.Endpoint, err error) {
	err = w.db.each(ctx, func(rows *sql.Rows) error {
		var e webhook.Endpoint
		var kinds string
		err := rows.Scan(&e.ID, &e.URL, &kinds, micros{&e.Created}, &e.Dropped, &e.Failures, &e.Error,
			micros{&e.Failed}, micros{&e.Delivered}, micros{&e.Gone}, &e.Pending, &e.Dead)
		e.Kinds = strings.Fields(kinds)
		list = append(list, e)
		return err
	}, `SELECT id, url, kinds, created, dropped, failures, error, failed, delivered, gone,
		(SELECT count(*) FROM tollgate_server.deliveries WHERE endpoint = w.id AND due IS NOT NULL),
		(SELECT count(*) FROM tollgate_server.deliveries WHERE endpoint = w.id AND due IS NULL AND error <> '')
		FROM tollgate_server.webhooks w WHERE account = $1 ORDER BY id`, account)
	return list, err
}

// Remove implements [webhook.Store].
func (w Webhooks) Remove(ctx context.Context, account, id string) error {
	var removed int64
	err := w.together(ctx, func(b *batch) {
		b.lock(account) // so that nothing is queued for it meanwhile
		removed = b.do(`DELETE FROM tollgate_server.webhooks WHERE account = $1 AND id = $2`, account, id)
		b.do(`DELETE FROM tollgate_server.deliveries WHERE endpoint = $1 AND NOT EXISTS (SELECT 1 FROM tollgate_server.webhooks WHERE id = $1)`, id)
	})
	if err == nil && removed == 0 {
		err = webhook.ErrNotFound
	}
	return err
}

// Queue implements [webhook.Store].
func (w Webhooks) Queue(ctx context.Context, d webhook.Delivery, now time.Time, most int) (int, error) {
	const hears = `account = $1 AND gone = 0 AND (kinds = '' OR replace(' ' || kinds || ' ', ' ' || CAST($2 AS TEXT) || ' ', '') <> ' ' || kinds || ' ')`
	var dropped int64
	err := w.together(ctx, func(b *batch) {
		b.lock(d.Account) // what is pending is counted
		b.do(`WITH all_of_it AS MATERIALIZED (SELECT id, (SELECT count(*) FROM tollgate_server.deliveries WHERE endpoint = w.id AND due IS NOT NULL) AS pending
				FROM tollgate_server.webhooks w WHERE account = $1 AND gone = 0)
			INSERT INTO tollgate_server.deliveries (endpoint, event, body, due)
			SELECT id, $3, $4, CAST($5 AS BIGINT) FROM tollgate_server.webhooks JOIN all_of_it USING (id) WHERE `+hears+`
				AND pending < CAST($6 AS BIGINT) / (SELECT count(*) FROM all_of_it) AND (SELECT sum(pending) + count(*) FROM all_of_it) <= $6
			ON CONFLICT DO NOTHING`,
			d.Account, d.Kind, d.Event, string(d.Body), now.UnixMicro(), most)
		dropped = b.do(`UPDATE tollgate_server.webhooks SET dropped = dropped + 1 WHERE `+hears+`
			AND NOT EXISTS (SELECT 1 FROM tollgate_server.deliveries WHERE endpoint = id AND event = $3)`, d.Account, d.Kind, d.Event)
	})
	return int(dropped), err
}

// free ends the claim of an endpoint that lasts until $2, and none that has begun since.
const free = `UPDATE tollgate_server.webhooks SET busy = CASE busy WHEN $2 THEN 0 ELSE busy END`

// Claim implements [webhook.Store].
func (w Webhooks) Claim(ctx context.Context, failing bool, n int, now, until time.Time) (list []webhook.Delivery, err error) {
	err = w.db.each(ctx, func(rows *sql.Rows) error {
		d := webhook.Delivery{Until: until}
		err := rows.Scan(&d.Endpoint, &d.Account, &d.URL)
		list = append(list, d)
		return err
	}, `WITH free AS MATERIALIZED (
			SELECT id FROM tollgate_server.webhooks w WHERE busy <= $1 AND (failures > 0) = $3
				AND EXISTS (SELECT 1 FROM tollgate_server.deliveries WHERE endpoint = w.id AND due <= $1)
			ORDER BY attempted LIMIT $4`+w.db.For("UPDATE OF w SKIP LOCKED")+`)
		UPDATE tollgate_server.webhooks SET attempted = $1, busy = $2 WHERE busy <= $1 AND id IN (SELECT id FROM free) RETURNING id, account, url`,
		now.UnixMicro(), until.UnixMicro(), failing, n)
	if err != nil {
		return nil, err
	}
	// Only now: until the claim began, another one could settle what was due. It is
	// finished though ctx ends, or the endpoints would be held until the claims end.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 4*time.Second)
	defer cancel()
	var errs []error
	due := list[:0]
	for _, d := range list {
		err := w.db.Row(ctx, `SELECT event, body, attempts FROM tollgate_server.deliveries WHERE endpoint = $1 AND due <= $2 ORDER BY due LIMIT 1`,
			d.Endpoint, now.UnixMicro()).Scan(&d.Event, &d.Body, &d.Attempts)
		if err == nil {
			due = append(due, d)
			continue
		}
		if !errors.Is(err, sql.ErrNoRows) {
			errs = append(errs, err)
		}
		errs = append(errs, w.End(ctx, d, webhook.Outcome{}))
	}
	return due, errors.Join(errs...)
}

// End implements [webhook.Store].
func (w Webhooks) End(ctx context.Context, d webhook.Delivery, o webhook.Outcome) error {
	at, until := o.At.UnixMicro(), d.Until.UnixMicro()
	return w.together(ctx, func(b *batch) {
		const finish = `UPDATE tollgate_server.deliveries SET due = NULL, settled = $2, body = '', error = $3 WHERE endpoint = $1`
		switch {
		case o.At.IsZero():
			b.do(free+` WHERE id = $1`, d.Endpoint, until)
			return
		case o.Error == "":
			b.do(free+`, failures = 0, delivered = $3 WHERE id = $1`, d.Endpoint, until, at)
			b.do(finish+` AND event = $4`, d.Endpoint, at, "", d.Event)
			return
		case o.Gone:
			b.lock(d.Account) // so that nothing is queued for it meanwhile
			b.do(`UPDATE tollgate_server.webhooks SET gone = $2 WHERE id = $1`, d.Endpoint, at)
		}
		b.do(free+`, failures = failures + 1, failed = $3, error = $4 WHERE id = $1`, d.Endpoint, until, at, o.Error)
		switch {
		case o.Gone:
			b.do(finish+` AND due IS NOT NULL`, d.Endpoint, at, o.Error)
		case o.Due.IsZero():
			b.do(finish+` AND due IS NOT NULL AND event = $4`, d.Endpoint, at, o.Error, d.Event)
		default: // unless another attempt, made when this one was taken for dead, has finished it
			b.do(`UPDATE tollgate_server.deliveries SET attempts = $3, due = $4, error = $5 WHERE endpoint = $1 AND event = $2 AND due IS NOT NULL`,
				d.Endpoint, d.Event, d.Attempts+1, o.Due.UnixMicro(), o.Error)
		}
	})
}

// Prune implements [webhook.Store].
func (w Webhooks) Prune(ctx context.Context, before time.Time) error {
	_, err := w.db.Exec(ctx, `DELETE FROM tollgate_server.deliveries WHERE (endpoint, event) IN (SELECT endpoint, event FROM tollgate_server.deliveries
		WHERE due IS NULL AND settled < $1`+w.db.For("UPDATE SKIP LOCKED")+`)`, before.UnixMicro())
	return err
}

// each reads all rows that a statement finds.
func (c Conn) each(ctx context.Context, read func(*sql.Rows) error, statement string, args ...any) error {
	rows, err := c.Rows(ctx, statement, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := read(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// micros scans a time.
type micros struct{ t *time.Time }

func (m micros) Scan(v any) error {
	if n, _ := v.(int64); n != 0 {
		*m.t = time.UnixMicro(n).UTC()
	}
	return nil
}

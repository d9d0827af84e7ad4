package pgstore

import (
	"context"
	"slices"
	"time"

	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/sqlkit"
)

var findKey = `SELECT ` + sqlkit.Of("k", sqlkit.KeyColumns) + `, ` + sqlkit.OwnerColumns + `
		FROM tollgate.keys k JOIN tollgate.accounts a ON a.id = k.account
		LEFT JOIN tollgate.users u ON u.id = k.owner AND k.owner <> ''
		LEFT JOIN tollgate.memberships m ON m.user_id = u.id AND m.account = k.account
		WHERE k.sum = $1 AND k.pepper = $2`

const (
	// A statement that changes several rows locks them first, in the order of their
	// ids, so that two statements never wait for each other. Postgres reads a row again
	// after it has waited for its lock.
	touchKeys = `WITH latest AS (
			SELECT id COLLATE "C" AS id, max(at) AS at FROM unnest($1::text[], $2::timestamptz[]) AS u (id, at) GROUP BY 1
		), held AS (
			SELECT k.id, l.at FROM latest l JOIN tollgate.keys k ON k.id = l.id
			WHERE k.revoked IS NULL AND (k.used IS NULL OR k.used < l.at) ORDER BY k.id FOR NO KEY UPDATE OF k
		)
		UPDATE tollgate.keys k SET used = h.at FROM held h WHERE k.id = h.id`
	holdPair = `SELECT k.id, k.account, k.replaces, k.grace, k.revoked FROM tollgate.keys k
		WHERE k.id IN ($1, (SELECT p.replaces FROM tollgate.keys p WHERE p.id = $1)) ORDER BY k.id FOR NO KEY UPDATE`
	endGrace  = `UPDATE tollgate.keys SET grace = 0 WHERE id = $1`
	rehashKey = `UPDATE tollgate.keys SET sum = $4, pepper = $5, import = '' WHERE id = $1 AND sum = $2 AND pepper = $3`
	hasKey    = `SELECT id FROM tollgate.keys WHERE id = $1`
)

type keys struct{ s *Store }

func (v keys) Find(ctx context.Context, d keyfmt.Digest) (store.Key, store.Owner, error) {
	var k store.Key
	var o store.Owner
	fields := slices.Concat(columns.Key(&k), columns.Owner(&o))
	if err := v.s.row(ctx, findKey, d.Sum[:], d.Pepper).Scan(record(fields)); err != nil {
		return store.Key{}, store.Owner{}, answer("find", err)
	}
	return k, o, nil
}

func (v keys) Touch(ctx context.Context, uses []store.Use) error {
	return v.s.touch(ctx, touchKeys, uses)
}

func (v keys) BeginGrace(ctx context.Context, id string, now time.Time) error {
	return v.s.change(ctx, "begin grace", func(tx conn) error {
		pair, err := collect(ctx, tx, func(k *store.Key) []any {
			return []any{&k.ID, &k.Account, &k.Replaces, (*span)(&k.Grace), (*instant)(&k.Revoked)}
		}, holdPair, id)
		if err != nil {
			return err
		}
		for _, k := range pair {
			if k.ID == id {
				return endGraceOf(ctx, tx, k, now)
			}
		}
		return store.ErrNotFound
	})
}

func endGraceOf(ctx context.Context, tx conn, k store.Key, now time.Time) error {
	if k.Grace <= 0 || !k.Revoked.IsZero() {
		return nil
	}
	if _, err := tx.exec(ctx, endGrace, k.ID); err != nil {
		return err
	}
	_, err := tx.exec(ctx, limitKey, k.Account, k.Replaces, when(now.Add(k.Grace)))
	return err
}

func (v keys) Rehash(ctx context.Context, id string, old, next keyfmt.Digest) error {
	err := some(v.s.exec(ctx, rehashKey, id, old.Sum[:], old.Pepper, next.Sum[:], next.Pepper))
	return answer("rehash", v.s.swapped(ctx, err, hasKey, id))
}

package sqlitestore

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/sqlkit"
)

var findKey = `SELECT ` + sqlkit.Of("k", sqlkit.KeyColumns) + `, ` + sqlkit.OwnerColumns + `
		FROM keys k JOIN accounts a ON a.id = k.account
		LEFT JOIN users u ON u.id = k.owner AND k.owner <> ''
		LEFT JOIN memberships m ON m.user_id = u.id AND m.account = k.account
		WHERE k.sum = ? AND k.pepper = ?`

const (
	touchKey   = `UPDATE keys SET used = ?2 WHERE id = ?1 AND revoked IS NULL AND (used IS NULL OR used < ?2)`
	graceOfKey = `SELECT account, replaces, grace, revoked FROM keys WHERE id = ?`
	endGrace   = `UPDATE keys SET grace = 0 WHERE id = ?`
	rehashKey  = `UPDATE keys SET sum = ?4, pepper = ?5, import = '' WHERE id = ?1 AND sum = ?2 AND pepper = ?3`
	hasKey     = `SELECT id FROM keys WHERE id = ?`
)

type keys struct{ s *Store }

func (v keys) Find(ctx context.Context, d keyfmt.Digest) (store.Key, store.Owner, error) {
	var k store.Key
	var o store.Owner
	if err := v.s.find.QueryRowContext(ctx, d.Sum[:], d.Pepper).Scan(slices.Concat(columns.Key(&k), columns.Owner(&o))...); err != nil {
		return store.Key{}, store.Owner{}, answer("find", err)
	}
	return k, o, nil
}

func (v keys) Touch(ctx context.Context, uses []store.Use) error {
	return v.s.touch(ctx, touchKey, uses)
}

func (v keys) BeginGrace(ctx context.Context, id string, now time.Time) error {
	return v.s.change(ctx, "begin grace", func(tx *sql.Tx) error {
		var account, replaces string
		var grace time.Duration
		var revoked time.Time
		row := tx.QueryRowContext(ctx, graceOfKey, id)
		if err := row.Scan(&account, &replaces, (*span)(&grace), (*instant)(&revoked)); err != nil {
			return err
		}
		if grace <= 0 || !revoked.IsZero() {
			return nil
		}
		if _, err := tx.ExecContext(ctx, endGrace, id); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, limitKey, account, replaces, micros(now.Add(grace)))
		return err
	})
}

func (v keys) Rehash(ctx context.Context, id string, old, next keyfmt.Digest) error {
	return v.s.change(ctx, "rehash", func(tx *sql.Tx) error {
		err := some(tx.ExecContext(ctx, rehashKey, id, old.Sum[:], old.Pepper, next.Sum[:], next.Pepper))
		return swapped(ctx, tx, err, hasKey, id)
	})
}

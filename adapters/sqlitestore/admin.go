package sqlitestore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"time"

	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/sqlkit"
)

const (
	insertKey = `INSERT INTO keys (` + sqlkit.KeyColumns + `)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	getKey    = `SELECT ` + sqlkit.KeyColumns + ` FROM keys k WHERE k.account = ? AND k.id = ?`
	keyByCall = `SELECT ` + sqlkit.KeyColumns + ` FROM keys k WHERE k.account = ? AND k.idempotency = ? AND k.idempotency <> ''`
	listKeys  = `SELECT ` + sqlkit.KeyColumns + ` FROM keys k WHERE k.account = ?1 ORDER BY k.id DESC LIMIT ?3`
	listAfter = `SELECT ` + sqlkit.KeyColumns + ` FROM keys k WHERE k.account = ?1 AND k.id < ?2 ORDER BY k.id DESC LIMIT ?3`
	ownedKeys = `SELECT ` + sqlkit.KeyColumns + ` FROM keys k WHERE k.account = ?1 AND k.owner = ?4 AND k.owner <> '' AND k.id < ?2
		ORDER BY k.id DESC LIMIT ?3`
	countHeld = `SELECT count(*) FROM keys WHERE account = ? AND id <> ? AND revoked IS NULL AND (expires IS NULL OR expires > ?)`
	updateKey = `UPDATE keys SET name = coalesce(?3, name), grants = coalesce(?4, grants), addresses = coalesce(?5, addresses),
		expires = ?6, disabled = ?7 WHERE account = ?1 AND id = ?2`
	successor = `SELECT id FROM keys WHERE replaces = ?2 AND replaces <> '' AND account = ?1`
	revokeKey = `UPDATE keys SET revoked = ?3, reason = ?4 WHERE account = ?1 AND id = ?2 AND revoked IS NULL`
	limitKey  = `UPDATE keys SET expires = ?3 WHERE account = ?1 AND id = ?2 AND revoked IS NULL AND (expires IS NULL OR expires > ?3)`
	expiring  = `SELECT ` + sqlkit.KeyColumns + ` FROM keys k WHERE k.account = ? AND k.revoked IS NULL AND k.expires > ? AND k.expires <= ?
		ORDER BY k.expires, k.id LIMIT ?`
	outdated   = `SELECT count(*) FROM keys WHERE pepper <> ? AND revoked IS NULL AND (expires IS NULL OR expires > ?)`
	revokeKeys = `UPDATE keys SET revoked = ?4, reason = ?5 WHERE account = ?1 AND revoked IS NULL
		AND (?2 = '' OR created_by = ?2) AND (?3 IS NULL OR created IS NULL OR created < ?3) AND (?6 = '' OR owner = ?6)
		AND (?7 = '' OR environment = ?7)`
	pruneKeys = `DELETE FROM keys WHERE id IN (SELECT id FROM keys WHERE expires < ?1 OR revoked < ?1 LIMIT ?2)`
)

type admin struct{ s *Store }

func (v admin) Create(ctx context.Context, k store.Key, quota int, now time.Time) error {
	return v.s.change(ctx, "create", func(tx *sql.Tx) error {
		if k.Owner != "" {
			if err := tx.QueryRowContext(ctx, hasMember, k.Owner, k.Account).Scan(new(string)); err != nil {
				return err
			}
		}
		if err := insert(ctx, tx, k); err != nil || quota <= 0 {
			return err
		}
		var others int
		if err := tx.QueryRowContext(ctx, countHeld, k.Account, k.ID, micros(now)).Scan(&others); err != nil {
			return err
		}
		if others >= quota {
			return store.ErrQuota
		}
		return nil
	})
}

func insert(ctx context.Context, tx *sql.Tx, k store.Key) error {
	values, err := columns.KeyValues(k)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, insertKey, values...)
	return err
}

func (v admin) Get(ctx context.Context, account, id string) (store.Key, error) {
	return one("get", v.s.read.QueryRowContext(ctx, getKey, account, id), columns.Key)
}

func (v admin) ByIdempotency(ctx context.Context, account, idempotency string) (store.Key, error) {
	return one("get", v.s.read.QueryRowContext(ctx, keyByCall, account, idempotency), columns.Key)
}

func (v admin) List(ctx context.Context, account, after string, limit int) ([]store.Key, error) {
	query := listAfter
	if after == "" {
		query = listKeys
	}
	rows, err := v.s.read.QueryContext(ctx, query, account, after, limit)
	return many("list", rows, err, columns.Key)
}

func (v admin) Owned(ctx context.Context, account, owner, after string, limit int) ([]store.Key, error) {
	rows, err := v.s.read.QueryContext(ctx, ownedKeys, account, cmp.Or(after, lastText), limit, owner)
	return many("list", rows, err, columns.Key)
}

// lastText sorts after all other texts.
const lastText = "\U0010FFFF"

func (v admin) Expiring(ctx context.Context, account string, now, by time.Time, limit int) ([]store.Key, error) {
	rows, err := v.s.read.QueryContext(ctx, expiring, account, micros(now), micros(by), limit)
	return many("list expiring", rows, err, columns.Key)
}

func (v admin) Outdated(ctx context.Context, pepper string, now time.Time) (int, error) {
	return one("count outdated", v.s.read.QueryRowContext(ctx, outdated, pepper, micros(now)), func(n *int) []any { return []any{n} })
}

func (v admin) Update(ctx context.Context, account, id string, u store.KeyUpdate, now time.Time) (k store.Key, err error) {
	err = v.s.change(ctx, "update", func(tx *sql.Tx) error {
		if err := tx.QueryRowContext(ctx, getKey, account, id).Scan(columns.Key(&k)...); err != nil {
			return err
		}
		switch {
		case k.Ended(now):
			return store.ErrInactive
		case !k.Grant.Equal(u.Was):
			return store.ErrConflict
		}
		if u.Expires != nil {
			if outlives(*u.Expires, k.Expires) {
				err := tx.QueryRowContext(ctx, successor, account, id).Scan(new(string))
				if !errors.Is(err, sql.ErrNoRows) {
					return cmp.Or(err, store.ErrConflict)
				}
			}
			k.Expires = *u.Expires
		}
		switch {
		case u.Disabled == nil:
		case !*u.Disabled:
			k.Disabled = time.Time{}
		case k.Disabled.IsZero():
			k.Disabled = now
		}
		grant, err := optional(u.Grant, sqlkit.Grant)
		if err != nil {
			return err
		}
		addresses, err := optional(u.Addresses, sqlkit.Addresses)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, updateKey, account, id, u.Name, grant, addresses, micros(k.Expires), micros(k.Disabled)); err != nil {
			return err
		}
		k = store.Key{}
		return tx.QueryRowContext(ctx, getKey, account, id).Scan(columns.Key(&k)...)
	})
	if err != nil {
		return store.Key{}, err
	}
	return k, nil
}

// outlives reports whether the expiry a is later than b.
func outlives(a, b time.Time) bool { return !b.IsZero() && (a.IsZero() || a.After(b)) }

// optional returns the argument for a field that may be nil: NULL, which leaves the
// column as it is.
func optional[T any](t *T, write func(T) (string, error)) (any, error) {
	if t == nil {
		return nil, nil
	}
	return write(*t)
}

func (v admin) Revoke(ctx context.Context, account, id, reason string, now time.Time) error {
	return v.s.change(ctx, "revoke", func(tx *sql.Tx) error {
		err := some(tx.ExecContext(ctx, revokeKey, account, id, micros(now), reason))
		if errors.Is(err, store.ErrNotFound) { // or it is revoked already
			return tx.QueryRowContext(ctx, `SELECT id FROM keys WHERE account = ? AND id = ?`, account, id).Scan(&id)
		}
		return err
	})
}

func (v admin) RevokeAll(ctx context.Context, account string, f store.Filter, reason string, now time.Time) (int, error) {
	return v.s.count(ctx, "revoke all", revokeKeys, account, f.CreatedBy, micros(f.CreatedBefore), micros(now), reason, f.Owner, f.Environment)
}

func (v admin) Rotate(ctx context.Context, account, id string, next store.Key, deadline, now time.Time) error {
	return v.s.change(ctx, "rotate", func(tx *sql.Tx) error {
		var old store.Key
		if err := tx.QueryRowContext(ctx, getKey, account, id).Scan(columns.Key(&old)...); err != nil {
			return err
		}
		if !old.Live(now) {
			return store.ErrInactive
		}
		if old.Owner != "" {
			err := tx.QueryRowContext(ctx, hasMember, old.Owner, account).Scan(new(string))
			if errors.Is(err, sql.ErrNoRows) {
				return store.ErrInactive
			}
			if err != nil {
				return err
			}
		}
		if !old.Grant.Equal(next.Grant) {
			return store.ErrConflict
		}
		// These come from the stored key. What the caller has read may have changed.
		next.Account, next.Replaces, next.Family = account, id, cmp.Or(old.Family, id)
		next.Owner, next.Environment, next.Plan = old.Owner, old.Environment, old.Plan
		next.Addresses, next.Expires = old.Addresses, old.Expires
		if err := insert(ctx, tx, next); err != nil || deadline.IsZero() {
			return err
		}
		_, err := tx.ExecContext(ctx, limitKey, account, id, micros(deadline))
		return err
	})
}

func (v admin) Prune(ctx context.Context, before time.Time, most int) (int, error) {
	return v.s.count(ctx, "prune", pruneKeys, micros(before), most)
}

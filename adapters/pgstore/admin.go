package pgstore

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/sqlkit"
)

const (
	// The two locks of an account. Only one transaction at a time holds the first.
	holdAccount = `SELECT id FROM tollgate.accounts WHERE id = $1 FOR NO KEY UPDATE`
	keepAccount = `SELECT id FROM tollgate.accounts WHERE id = $1 FOR KEY SHARE`

	insertKey = `INSERT INTO tollgate.keys (` + sqlkit.KeyColumns + `)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::json, $12::json, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24)`
	getKey    = `SELECT ` + sqlkit.KeyColumns + ` FROM tollgate.keys k WHERE k.account = $1 AND k.id = $2`
	holdKey   = getKey + ` FOR NO KEY UPDATE`
	keyByCall = `SELECT ` + sqlkit.KeyColumns + ` FROM tollgate.keys k WHERE k.account = $1 AND k.idempotency = $2 AND k.idempotency <> ''`
	listKeys  = `SELECT ` + sqlkit.KeyColumns + ` FROM tollgate.keys k WHERE k.account = $1 ORDER BY k.id DESC LIMIT $2`
	listAfter = `SELECT ` + sqlkit.KeyColumns + ` FROM tollgate.keys k WHERE k.account = $1 AND k.id < $3 ORDER BY k.id DESC LIMIT $2`
	ownedKeys = `SELECT ` + sqlkit.KeyColumns + ` FROM tollgate.keys k WHERE k.account = $1 AND k.owner = $4 AND k.owner <> '' AND k.id < $3
		ORDER BY k.id DESC LIMIT $2`
	countHeld = `SELECT count(*) FROM (SELECT FROM tollgate.keys WHERE account = $1 AND id <> $2 AND revoked IS NULL
		AND (expires IS NULL OR expires > $3) LIMIT $4) held`
	updateKey = `UPDATE tollgate.keys k SET name = coalesce($3::text, k.name), grants = coalesce($4::json, k.grants),
		addresses = coalesce($5::json, k.addresses), expires = $6, disabled = $7
		WHERE k.account = $1 AND k.id = $2 RETURNING ` + sqlkit.KeyColumns
	successor = `SELECT id FROM tollgate.keys WHERE replaces = $2 AND replaces <> '' AND account = $1`
	revokeKey = `UPDATE tollgate.keys SET revoked = coalesce(revoked, $3::timestamptz),
		reason = CASE WHEN revoked IS NULL THEN $4::text ELSE reason END WHERE account = $1 AND id = $2`
	limitKey = `UPDATE tollgate.keys SET expires = $3::timestamptz
		WHERE account = $1 AND id = $2 AND revoked IS NULL AND (expires IS NULL OR expires > $3)`
	expiring = `SELECT ` + sqlkit.KeyColumns + ` FROM tollgate.keys k WHERE k.account = $1 AND k.revoked IS NULL
		AND k.expires > $2 AND k.expires <= $3 ORDER BY k.expires, k.id LIMIT $4`
	outdated = `SELECT count(*) FROM tollgate.keys WHERE pepper <> $1 AND revoked IS NULL AND (expires IS NULL OR expires > $2)`
	// It locks rows in the order of their ids, like touchKeys.
	revokeKeys = `WITH held AS (
			SELECT id FROM tollgate.keys WHERE account = $1 AND revoked IS NULL AND ($2::text = '' OR created_by = $2)
			AND ($3::timestamptz IS NULL OR created IS NULL OR created < $3) AND ($4::text = '' OR owner = $4)
			AND ($7::text = '' OR environment = $7)
			ORDER BY id FOR NO KEY UPDATE
		)
		UPDATE tollgate.keys k SET revoked = $5, reason = $6 FROM held h WHERE k.id = h.id`
	// Expiry and revocation have an index each. The keys that were found are locked in
	// the order of their ids and checked again, because an expiry may have changed.
	pruneKeys = `WITH old AS MATERIALIZED (
			(SELECT id FROM tollgate.keys WHERE expires < $1 ORDER BY expires LIMIT $2)
			UNION (SELECT id FROM tollgate.keys WHERE revoked < $1 ORDER BY revoked LIMIT $2) ORDER BY id LIMIT $2
		), held AS (
			SELECT k.id FROM old JOIN tollgate.keys k ON k.id = old.id WHERE k.expires < $1 OR k.revoked < $1
			ORDER BY k.id FOR UPDATE OF k
		)
		DELETE FROM tollgate.keys k USING held h WHERE k.id = h.id`
)

type admin struct{ s *Store }

func (v admin) Create(ctx context.Context, k store.Key, quota int, now time.Time) error {
	return v.s.change(ctx, "create", func(tx conn) error {
		lock := keepAccount
		if quota > 0 {
			lock = holdAccount
		}
		if err := tx.row(ctx, lock, k.Account).Scan(new(string)); err != nil {
			return err
		}
		if k.Owner != "" {
			if err := tx.row(ctx, keepMember, k.Owner, k.Account).Scan(new(string)); err != nil {
				return err
			}
		}
		if err := insert(ctx, tx, k); err != nil || quota <= 0 {
			return err
		}
		var others int
		if err := tx.row(ctx, countHeld, k.Account, k.ID, when(now), quota).Scan(&others); err != nil {
			return err
		}
		if others >= quota {
			return store.ErrQuota
		}
		return nil
	})
}

func insert(ctx context.Context, tx conn, k store.Key) error {
	values, err := columns.KeyValues(k)
	if err != nil {
		return err
	}
	_, err = tx.exec(ctx, insertKey, values...)
	return err
}

func (v admin) Get(ctx context.Context, account, id string) (store.Key, error) {
	return one(ctx, v.s, "get", columns.Key, getKey, account, id)
}

func (v admin) ByIdempotency(ctx context.Context, account, idempotency string) (store.Key, error) {
	return one(ctx, v.s, "get", columns.Key, keyByCall, account, idempotency)
}

func (v admin) List(ctx context.Context, account, after string, limit int) ([]store.Key, error) {
	if after == "" {
		return many(ctx, v.s, "list", columns.Key, listKeys, account, limit)
	}
	return many(ctx, v.s, "list", columns.Key, listAfter, account, limit, after)
}

func (v admin) Owned(ctx context.Context, account, owner, after string, limit int) ([]store.Key, error) {
	return many(ctx, v.s, "list", columns.Key, ownedKeys, account, limit, cmp.Or(after, lastText), owner)
}

// lastText sorts after all other texts.
const lastText = "\U0010FFFF"

func (v admin) Expiring(ctx context.Context, account string, now, by time.Time, limit int) ([]store.Key, error) {
	return many(ctx, v.s, "list expiring", columns.Key, expiring, account, when(now), when(by), limit)
}

func (v admin) Outdated(ctx context.Context, pepper string, now time.Time) (int, error) {
	return one(ctx, v.s, "count outdated", func(n *int) []any { return []any{n} }, outdated, pepper, when(now))
}

func (v admin) Update(ctx context.Context, account, id string, u store.KeyUpdate, now time.Time) (k store.Key, err error) {
	err = v.s.change(ctx, "update", func(tx conn) error {
		if err := tx.row(ctx, holdKey, account, id).Scan(record(columns.Key(&k))); err != nil {
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
				err := tx.row(ctx, successor, account, id).Scan(new(string))
				if !errors.Is(err, pgx.ErrNoRows) {
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
		expires, disabled := when(k.Expires), when(k.Disabled)
		k = store.Key{}
		return tx.row(ctx, updateKey, account, id, u.Name, grant, addresses, expires, disabled).Scan(record(columns.Key(&k)))
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
	return v.s.set(ctx, "revoke", revokeKey, account, id, when(now), reason)
}

func (v admin) RevokeAll(ctx context.Context, account string, f store.Filter, reason string, now time.Time) (int, error) {
	return v.s.count(ctx, "revoke all", revokeKeys, account, f.CreatedBy, when(f.CreatedBefore), f.Owner, when(now), reason, f.Environment)
}

func (v admin) Rotate(ctx context.Context, account, id string, next store.Key, deadline, now time.Time) error {
	return v.s.change(ctx, "rotate", func(tx conn) error {
		var old store.Key
		if err := tx.row(ctx, holdKey, account, id).Scan(record(columns.Key(&old))); err != nil {
			return err
		}
		if !old.Live(now) {
			return store.ErrInactive
		}
		if old.Owner != "" {
			err := tx.row(ctx, keepMember, old.Owner, account).Scan(new(string))
			if errors.Is(err, pgx.ErrNoRows) {
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
		_, err := tx.exec(ctx, limitKey, account, id, when(deadline))
		return err
	})
}

func (v admin) Prune(ctx context.Context, before time.Time, most int) (int, error) {
	return v.s.prune(ctx, "prune", pruneKeys, before, most)
}

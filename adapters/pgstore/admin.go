package pgstore

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

const (
	// The two locks of an account: of the first there is one at a time.
	holdAccount = `SELECT id FROM tollgate.accounts WHERE id = $1 FOR NO KEY UPDATE`
	keepAccount = `SELECT id FROM tollgate.accounts WHERE id = $1 FOR KEY SHARE`

	insertKey = `INSERT INTO tollgate.keys (id, account, owner, created_by, name, environment, hint, pepper, sum, import,
		grants, addresses, plan, created, expires, revoked, disabled, used, reason, family, replaces, grace, idempotency, request)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::json, $12::json, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24)`
	getKey    = `SELECT ` + keyColumns + ` FROM tollgate.keys k WHERE k.account = $1 AND k.id = $2`
	holdKey   = getKey + ` FOR NO KEY UPDATE`
	keyByCall = `SELECT ` + keyColumns + ` FROM tollgate.keys k WHERE k.account = $1 AND k.idempotency = $2 AND k.idempotency <> ''`
	listKeys  = `SELECT ` + keyColumns + ` FROM tollgate.keys k WHERE k.account = $1 ORDER BY k.id DESC LIMIT $2`
	listAfter = `SELECT ` + keyColumns + ` FROM tollgate.keys k WHERE k.account = $1 AND k.id < $3 ORDER BY k.id DESC LIMIT $2`
	ownedKeys = `SELECT ` + keyColumns + ` FROM tollgate.keys k WHERE k.account = $1 AND k.owner = $4 AND k.owner <> '' AND k.id < $3
		ORDER BY k.id DESC LIMIT $2`
	countHeld = `SELECT count(*) FROM (SELECT FROM tollgate.keys WHERE account = $1 AND id <> $2 AND revoked IS NULL
		AND (expires IS NULL OR expires > $3) LIMIT $4) held`
	updateKey = `UPDATE tollgate.keys k SET name = coalesce($3::text, k.name), grants = coalesce($4::json, k.grants),
		addresses = coalesce($5::json, k.addresses), expires = $6, disabled = $7
		WHERE k.account = $1 AND k.id = $2 RETURNING ` + keyColumns
	successor = `SELECT id FROM tollgate.keys WHERE replaces = $2 AND replaces <> '' AND account = $1`
	revokeKey = `UPDATE tollgate.keys SET revoked = coalesce(revoked, $3::timestamptz),
		reason = CASE WHEN revoked IS NULL THEN $4::text ELSE reason END WHERE account = $1 AND id = $2`
	limitKey = `UPDATE tollgate.keys SET expires = $3::timestamptz
		WHERE account = $1 AND id = $2 AND revoked IS NULL AND (expires IS NULL OR expires > $3)`
	expiring = `SELECT ` + keyColumns + ` FROM tollgate.keys k WHERE k.account = $1 AND k.revoked IS NULL
		AND k.expires > $2 AND k.expires <= $3 ORDER BY k.expires, k.id LIMIT $4`
	outdated = `SELECT count(*) FROM tollgate.keys WHERE pepper <> $1 AND revoked IS NULL AND (expires IS NULL OR expires > $2)`
	// In the order of ids, as touchKeys.
	revokeKeys = `WITH held AS (
			SELECT id FROM tollgate.keys WHERE account = $1 AND revoked IS NULL AND ($2::text = '' OR created_by = $2)
			AND ($3::timestamptz IS NULL OR created IS NULL OR created < $3) AND ($4::text = '' OR owner = $4)
			AND ($7::text = '' OR environment = $7)
			ORDER BY id FOR NO KEY UPDATE
		)
		UPDATE tollgate.keys k SET revoked = $5, reason = $6 FROM held h WHERE k.id = h.id`
	// Each end has its index. Those that were found are locked in the order of ids
	// and looked at again, for an expiry may have been moved meanwhile.
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
		if err := tx.row(ctx, lock, key(k.Account)).Scan(new(string)); err != nil {
			return err
		}
		if k.Owner != "" {
			if err := tx.row(ctx, keepMember, key(k.Owner), key(k.Account)).Scan(new(string)); err != nil {
				return err
			}
		}
		if err := insert(ctx, tx, &k); err != nil || quota <= 0 {
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

func insert(ctx context.Context, tx conn, k *store.Key) error {
	grant, err := json.Marshal(k.Grant)
	if err != nil {
		return err
	}
	addresses, err := array(k.Addresses)
	if err != nil {
		return err
	}
	var request any
	if k.Request != [32]byte{} {
		request = k.Request[:]
	}
	_, err = tx.exec(ctx, insertKey, k.ID, k.Account, k.Owner, k.CreatedBy, k.Name, k.Environment, k.Hint, k.Digest.Pepper,
		k.Digest.Sum[:], k.Import, string(grant), addresses, k.Plan, when(k.Created), when(k.Expires), when(k.Revoked),
		when(k.Disabled), when(k.Used), k.Reason, k.Family, k.Replaces, k.Grace.Microseconds(), k.Idempotency, request)
	return err
}

func (v admin) Get(ctx context.Context, account, id string) (store.Key, error) {
	return one(ctx, v.s, "get", keyFields, getKey, key(account), key(id))
}

func (v admin) ByIdempotency(ctx context.Context, account, idempotency string) (store.Key, error) {
	return one(ctx, v.s, "get", keyFields, keyByCall, key(account), key(idempotency))
}

func (v admin) List(ctx context.Context, account, after string, limit int) ([]store.Key, error) {
	if limit <= 0 { // to Postgres a negative limit is an error
		return nil, nil
	}
	if after == "" {
		return many(ctx, v.s, "list", keyFields, listKeys, key(account), limit)
	}
	return many(ctx, v.s, "list", keyFields, listAfter, key(account), limit, key(after))
}

func (v admin) Owned(ctx context.Context, account, owner, after string, limit int) ([]store.Key, error) {
	if limit <= 0 {
		return nil, nil
	}
	return many(ctx, v.s, "list", keyFields, ownedKeys, key(account), limit, key(cmp.Or(after, lastText)), key(owner))
}

// lastText comes after all other texts, byte by byte.
const lastText = "\U0010FFFF"

func (v admin) Expiring(ctx context.Context, account string, now, by time.Time, limit int) ([]store.Key, error) {
	if limit <= 0 {
		return nil, nil
	}
	return many(ctx, v.s, "list expiring", keyFields, expiring, key(account), when(now), when(by), limit)
}

func (v admin) Outdated(ctx context.Context, pepper string, now time.Time) (int, error) {
	return one(ctx, v.s, "count outdated", func(n *int) []any { return []any{n} }, outdated, pepper, when(now))
}

func (v admin) Update(ctx context.Context, account, id string, u store.KeyUpdate, now time.Time) (k store.Key, err error) {
	if now.IsZero() {
		return store.Key{}, errTimeless
	}
	err = v.s.change(ctx, "update", func(tx conn) error {
		if err := tx.row(ctx, holdKey, key(account), key(id)).Scan(record(keyFields(&k))); err != nil {
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
		grant, err := optional(u.Grant, func(g authz.Grant) (string, error) {
			b, err := json.Marshal(g)
			return string(b), err
		})
		if err != nil {
			return err
		}
		addresses, err := optional(u.Addresses, array)
		if err != nil {
			return err
		}
		expires, disabled := when(k.Expires), when(k.Disabled)
		k = store.Key{}
		return tx.row(ctx, updateKey, account, id, u.Name, grant, addresses, expires, disabled).Scan(record(keyFields(&k)))
	})
	if err != nil {
		return store.Key{}, err
	}
	return k, nil
}

// outlives reports whether the expiry a is later than b.
func outlives(a, b time.Time) bool { return !b.IsZero() && (a.IsZero() || a.After(b)) }

// optional returns the argument for a field that may stay as it is: NULL if it
// does.
func optional[T any](t *T, write func(T) (string, error)) (any, error) {
	if t == nil {
		return nil, nil
	}
	return write(*t)
}

func (v admin) Revoke(ctx context.Context, account, id, reason string, now time.Time) error {
	if now.IsZero() {
		return errTimeless
	}
	return v.s.set(ctx, "revoke", revokeKey, key(account), key(id), when(now), reason)
}

func (v admin) RevokeAll(ctx context.Context, account string, f store.Filter, reason string, now time.Time) (int, error) {
	if now.IsZero() {
		return 0, errTimeless
	}
	return v.s.count(ctx, "revoke all", revokeKeys, key(account), f.CreatedBy, when(f.CreatedBefore), f.Owner, when(now), reason, f.Environment)
}

func (v admin) Rotate(ctx context.Context, account, id string, next store.Key, deadline, now time.Time) error {
	return v.s.change(ctx, "rotate", func(tx conn) error {
		var old store.Key
		if err := tx.row(ctx, holdKey, key(account), key(id)).Scan(record(keyFields(&old))); err != nil {
			return err
		}
		if !old.Live(now) {
			return store.ErrInactive
		}
		if old.Owner != "" {
			err := tx.row(ctx, keepMember, key(old.Owner), key(account)).Scan(new(string))
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
		// Not what the caller has read there, which may have changed since.
		next.Account, next.Replaces, next.Family = account, id, cmp.Or(old.Family, id)
		next.Owner, next.Environment, next.Plan = old.Owner, old.Environment, old.Plan
		next.Addresses, next.Expires = old.Addresses, old.Expires
		if err := insert(ctx, tx, &next); err != nil || deadline.IsZero() {
			return err
		}
		_, err := tx.exec(ctx, limitKey, account, id, when(deadline))
		return err
	})
}

func (v admin) Prune(ctx context.Context, before time.Time, most int) (int, error) {
	return v.s.prune(ctx, "prune", pruneKeys, before, most)
}

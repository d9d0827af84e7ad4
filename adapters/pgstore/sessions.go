package pgstore

import (
	"context"
	"time"

	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/sqlkit"
)

const (
	insertSession = `INSERT INTO tollgate.sessions (` + sqlkit.SessionColumns + `)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`
	findSession  = `SELECT ` + sqlkit.SessionColumns + ` FROM tollgate.sessions s WHERE s.sum = $1 AND s.pepper = $2`
	getSession   = `SELECT ` + sqlkit.SessionColumns + ` FROM tollgate.sessions s WHERE s.user_id = $1 AND s.id = $2`
	listSessions = `SELECT ` + sqlkit.SessionColumns + ` FROM tollgate.sessions s WHERE s.user_id = $1 ORDER BY s.id DESC LIMIT 1000`
	// It locks rows in the order of their ids, like touchKeys.
	touchSessions = `WITH latest AS (
			SELECT id COLLATE "C" AS id, max(at) AS at FROM unnest($1::text[], $2::timestamptz[]) AS u (id, at) GROUP BY 1
		), held AS (
			SELECT s.id, l.at FROM latest l JOIN tollgate.sessions s ON s.id = l.id
			WHERE s.revoked IS NULL AND (s.seen IS NULL OR s.seen < l.at) ORDER BY s.id FOR NO KEY UPDATE OF s
		)
		UPDATE tollgate.sessions s SET seen = h.at FROM held h WHERE s.id = h.id`
	revokeSession  = `UPDATE tollgate.sessions SET revoked = coalesce(revoked, $3::timestamptz) WHERE user_id = $1 AND id = $2`
	revokeSessions = `WITH held AS (
			SELECT id FROM tollgate.sessions WHERE user_id = $1 AND id <> $2 AND revoked IS NULL ORDER BY id FOR NO KEY UPDATE
		)
		UPDATE tollgate.sessions s SET revoked = $3 FROM held h WHERE s.id = h.id`
	// Like pruneKeys.
	pruneSessions = `WITH old AS MATERIALIZED (
			(SELECT id FROM tollgate.sessions WHERE expires < $1 ORDER BY expires LIMIT $2)
			UNION (SELECT id FROM tollgate.sessions WHERE revoked < $1 ORDER BY revoked LIMIT $2) ORDER BY id LIMIT $2
		), held AS (
			SELECT s.id FROM old JOIN tollgate.sessions s ON s.id = old.id WHERE s.expires < $1 OR s.revoked < $1
			ORDER BY s.id FOR UPDATE OF s
		)
		DELETE FROM tollgate.sessions s USING held h WHERE s.id = h.id`
)

type sessions struct{ s *Store }

func (v sessions) Find(ctx context.Context, d keyfmt.Digest) (store.Session, error) {
	return one(ctx, v.s, "find session", columns.Session, findSession, d.Sum[:], d.Pepper)
}

func (v sessions) Create(ctx context.Context, s store.Session) error {
	return v.s.set(ctx, "create session", insertSession, columns.SessionValues(s)...)
}

func (v sessions) Touch(ctx context.Context, uses []store.Use) error {
	return v.s.touch(ctx, touchSessions, uses)
}

func (v sessions) Get(ctx context.Context, user, id string) (store.Session, error) {
	return one(ctx, v.s, "get session", columns.Session, getSession, user, id)
}

func (v sessions) List(ctx context.Context, user string) ([]store.Session, error) {
	return many(ctx, v.s, "list sessions", columns.Session, listSessions, user)
}

func (v sessions) Revoke(ctx context.Context, user, id string, now time.Time) error {
	return v.s.set(ctx, "revoke session", revokeSession, user, id, when(now))
}

func (v sessions) RevokeAll(ctx context.Context, user, but string, now time.Time) (int, error) {
	return v.s.count(ctx, "revoke sessions", revokeSessions, user, but, when(now))
}

func (v sessions) Prune(ctx context.Context, before time.Time, most int) (int, error) {
	return v.s.prune(ctx, "prune sessions", pruneSessions, before, most)
}

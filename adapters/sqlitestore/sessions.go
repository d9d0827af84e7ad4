package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/sqlkit"
)

const (
	insertSession = `INSERT INTO sessions (` + sqlkit.SessionColumns + `)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	findSession    = `SELECT ` + sqlkit.SessionColumns + ` FROM sessions s WHERE s.sum = ? AND s.pepper = ?`
	getSession     = `SELECT ` + sqlkit.SessionColumns + ` FROM sessions s WHERE s.user_id = ? AND s.id = ?`
	listSessions   = `SELECT ` + sqlkit.SessionColumns + ` FROM sessions s WHERE s.user_id = ? ORDER BY s.id DESC LIMIT 1000`
	touchSession   = `UPDATE sessions SET seen = ?2 WHERE id = ?1 AND revoked IS NULL AND (seen IS NULL OR seen < ?2)`
	revokeSession  = `UPDATE sessions SET revoked = ?3 WHERE user_id = ?1 AND id = ?2 AND revoked IS NULL`
	hasSession     = `SELECT id FROM sessions WHERE user_id = ? AND id = ?`
	revokeSessions = `UPDATE sessions SET revoked = ?3 WHERE user_id = ?1 AND id <> ?2 AND revoked IS NULL`
	pruneSessions  = `DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires < ?1 OR revoked < ?1 LIMIT ?2)`
)

type sessions struct{ s *Store }

func (v sessions) Find(ctx context.Context, d keyfmt.Digest) (store.Session, error) {
	return one("find session", v.s.findSession.QueryRowContext(ctx, d.Sum[:], d.Pepper), columns.Session)
}

func (v sessions) Create(ctx context.Context, s store.Session) error {
	return v.s.change(ctx, "create session", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, insertSession, columns.SessionValues(s)...)
		return err
	})
}

func (v sessions) Touch(ctx context.Context, uses []store.Use) error {
	return v.s.touch(ctx, touchSession, uses)
}

func (v sessions) Get(ctx context.Context, user, id string) (store.Session, error) {
	return one("get session", v.s.read.QueryRowContext(ctx, getSession, user, id), columns.Session)
}

func (v sessions) List(ctx context.Context, user string) ([]store.Session, error) {
	rows, err := v.s.read.QueryContext(ctx, listSessions, user)
	return many("list sessions", rows, err, columns.Session)
}

func (v sessions) Revoke(ctx context.Context, user, id string, now time.Time) error {
	return v.s.change(ctx, "revoke session", func(tx *sql.Tx) error {
		err := some(tx.ExecContext(ctx, revokeSession, user, id, micros(now)))
		if errors.Is(err, store.ErrNotFound) { // or it is revoked already
			return tx.QueryRowContext(ctx, hasSession, user, id).Scan(&id)
		}
		return err
	})
}

func (v sessions) RevokeAll(ctx context.Context, user, but string, now time.Time) (int, error) {
	return v.s.count(ctx, "revoke sessions", revokeSessions, user, but, micros(now))
}

func (v sessions) Prune(ctx context.Context, before time.Time, most int) (int, error) {
	return v.s.count(ctx, "prune sessions", pruneSessions, micros(before), most)
}

package sqlitestore

import (
	"context"
	"database/sql"
	"errors"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/sqlkit"
)

const (
	insertUser  = `INSERT INTO users (` + sqlkit.UserColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`
	getUser     = `SELECT ` + sqlkit.UserColumns + ` FROM users u WHERE u.id = ?`
	userByEmail = `SELECT ` + sqlkit.UserColumns + ` FROM users u WHERE u.email = ? AND u.email <> ''`
	hasUser     = `SELECT id FROM users WHERE id = ?`
	setPassword = `UPDATE users SET password = ?3, epoch = epoch + 1 WHERE id = ?1 AND password = ?2 AND epoch = ?4 RETURNING epoch`
	beginReset  = `UPDATE users SET resets = resets + 1 WHERE id = ?`
	rehashUser  = `UPDATE users SET password = ?3 WHERE id = ?1 AND password = ?2`
	setUser     = `UPDATE users SET status = ?2, epoch = epoch + ?3 WHERE id = ?1`
	endSessions = `UPDATE users SET epoch = epoch + 1 WHERE id = ? RETURNING epoch`
)

type users struct{ s *Store }

func (v users) Create(ctx context.Context, u store.User) error {
	return v.s.change(ctx, "create user", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, insertUser, columns.UserValues(u)...)
		return err
	})
}

func (v users) Get(ctx context.Context, id string) (store.User, error) {
	return one("get user", v.s.getUser.QueryRowContext(ctx, id), columns.User)
}

func (v users) ByEmail(ctx context.Context, email string) (store.User, error) {
	return one("get user", v.s.read.QueryRowContext(ctx, userByEmail, email), columns.User)
}

func (v users) SetPassword(ctx context.Context, was store.User, next string) (epoch int64, err error) {
	err = v.s.change(ctx, "set password", func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, setPassword, was.ID, was.Password, next, was.Epoch).Scan(&epoch)
		return swapped(ctx, tx, err, hasUser, was.ID)
	})
	return epoch, err
}

func (v users) BeginReset(ctx context.Context, id string) (u store.User, err error) {
	err = v.s.change(ctx, "begin reset", func(tx *sql.Tx) error {
		if err := some(tx.ExecContext(ctx, beginReset, id)); err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, getUser, id).Scan(columns.User(&u)...)
	})
	if err != nil {
		return store.User{}, err
	}
	return u, nil
}

func (v users) Rehash(ctx context.Context, id, old, next string) error {
	return v.s.change(ctx, "rehash user", func(tx *sql.Tx) error {
		err := some(tx.ExecContext(ctx, rehashUser, id, old, next))
		return swapped(ctx, tx, err, hasUser, id)
	})
}

func (v users) SetStatus(ctx context.Context, id string, s authz.Status) error {
	return v.s.change(ctx, "set status of user", func(tx *sql.Tx) error {
		return some(tx.ExecContext(ctx, setUser, id, s.String(), s != authz.Active))
	})
}

func (v users) EndSessions(ctx context.Context, id string) (epoch int64, err error) {
	err = v.s.change(ctx, "end sessions", func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, endSessions, id).Scan(&epoch)
	})
	return epoch, err
}

// swapped returns the error of a compare-and-swap: if that has changed no row,
// ErrConflict if the statement has finds the record, and ErrNotFound otherwise.
func swapped(ctx context.Context, tx *sql.Tx, err error, has, id string) error {
	if !errors.Is(err, sql.ErrNoRows) && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if err := tx.QueryRowContext(ctx, has, id).Scan(&id); err != nil {
		return err
	}
	return store.ErrConflict
}

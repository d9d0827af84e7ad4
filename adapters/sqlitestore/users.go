package sqlitestore

import (
	"context"
	"database/sql"
	"errors"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

const (
	userColumns = `u.id, u.email, u.name, u.password, u.status, u.epoch, u.invitations, u.created`
	insertUser  = `INSERT INTO users (id, email, name, password, status, epoch, invitations, created) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`
	getUser     = `SELECT ` + userColumns + ` FROM users u WHERE u.id = ?`
	userByEmail = `SELECT ` + userColumns + ` FROM users u WHERE u.email = ? AND u.email <> ''`
	hasUser     = `SELECT id FROM users WHERE id = ?`
	setPassword = `UPDATE users SET password = ?3, epoch = epoch + 1 WHERE id = ?1 AND password = ?2 AND epoch = ?4 RETURNING epoch`
	inviteUser  = `UPDATE users SET invitations = invitations + 1 WHERE id = ?`
	rehashUser  = `UPDATE users SET password = ?3 WHERE id = ?1 AND password = ?2`
	setUser     = `UPDATE users SET status = ?2, epoch = epoch + ?3 WHERE id = ?1`
	endSessions = `UPDATE users SET epoch = epoch + 1 WHERE id = ? RETURNING epoch`
)

// userFields are where userColumns are read into.
func userFields(u *store.User) []any {
	return []any{&u.ID, &u.Email, &u.Name, &u.Password, (*status)(&u.Status), &u.Epoch, &u.Invitations, (*instant)(&u.Created)}
}

type users struct{ s *Store }

func (v users) Create(ctx context.Context, u store.User) error {
	return v.s.change(ctx, "create user", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, insertUser, u.ID, u.Email, u.Name, u.Password, u.Status.String(), u.Epoch, u.Invitations, micros(u.Created))
		return err
	})
}

func (v users) Get(ctx context.Context, id string) (store.User, error) {
	return one("get user", v.s.getUser.QueryRowContext(ctx, id), userFields)
}

func (v users) ByEmail(ctx context.Context, email string) (store.User, error) {
	return one("get user", v.s.read.QueryRowContext(ctx, userByEmail, email), userFields)
}

func (v users) SetPassword(ctx context.Context, was store.User, next string) (epoch int64, err error) {
	err = v.s.change(ctx, "set password", func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, setPassword, was.ID, was.Password, next, was.Epoch).Scan(&epoch)
		return swapped(ctx, tx, err, hasUser, was.ID)
	})
	return epoch, err
}

func (v users) Invite(ctx context.Context, id string) (u store.User, err error) {
	err = v.s.change(ctx, "invite", func(tx *sql.Tx) error {
		if err := some(tx.ExecContext(ctx, inviteUser, id)); err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, getUser, id).Scan(userFields(&u)...)
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

// swapped returns the error of a compare-and-swap that has met no row: the query
// tells whether the record exists.
func swapped(ctx context.Context, tx *sql.Tx, err error, has, id string) error {
	if !errors.Is(err, sql.ErrNoRows) && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if err := tx.QueryRowContext(ctx, has, id).Scan(&id); err != nil {
		return err
	}
	return store.ErrConflict
}

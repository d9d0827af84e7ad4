package pgstore

import (
	"context"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/sqlkit"
)

const (
	insertUser = `INSERT INTO tollgate.users (` + sqlkit.UserColumns + `)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`
	getUser     = `SELECT ` + sqlkit.UserColumns + ` FROM tollgate.users u WHERE u.id = $1`
	userByEmail = `SELECT ` + sqlkit.UserColumns + ` FROM tollgate.users u WHERE u.email = $1 AND u.email <> ''`
	hasUser     = `SELECT id FROM tollgate.users WHERE id = $1`
	setPassword = `UPDATE tollgate.users SET password = $3, epoch = epoch + 1 WHERE id = $1 AND password = $2 AND epoch = $4 RETURNING epoch`
	beginReset  = `UPDATE tollgate.users u SET resets = u.resets + 1 WHERE u.id = $1 RETURNING ` + sqlkit.UserColumns
	rehashUser  = `UPDATE tollgate.users SET password = $3 WHERE id = $1 AND password = $2`
	setUser     = `UPDATE tollgate.users SET status = $2, epoch = epoch + $3::bigint WHERE id = $1`
	endSessions = `UPDATE tollgate.users SET epoch = epoch + 1 WHERE id = $1 RETURNING epoch`
)

type users struct{ s *Store }

func (v users) Create(ctx context.Context, u store.User) error {
	return v.s.set(ctx, "create user", insertUser, columns.UserValues(u)...)
}

func (v users) Get(ctx context.Context, id string) (store.User, error) {
	return one(ctx, v.s, "get user", columns.User, getUser, id)
}

func (v users) ByEmail(ctx context.Context, email string) (store.User, error) {
	return one(ctx, v.s, "get user", columns.User, userByEmail, email)
}

func (v users) SetPassword(ctx context.Context, was store.User, next string) (epoch int64, err error) {
	err = v.s.row(ctx, setPassword, was.ID, was.Password, next, was.Epoch).Scan(&epoch)
	return epoch, answer("set password", v.s.swapped(ctx, err, hasUser, was.ID))
}

func (v users) BeginReset(ctx context.Context, id string) (store.User, error) {
	return one(ctx, v.s, "begin reset", columns.User, beginReset, id)
}

func (v users) Rehash(ctx context.Context, id, old, next string) error {
	err := some(v.s.exec(ctx, rehashUser, id, old, next))
	return answer("rehash user", v.s.swapped(ctx, err, hasUser, id))
}

func (v users) SetStatus(ctx context.Context, id string, s authz.Status) error {
	ends := 0
	if s != authz.Active {
		ends = 1
	}
	return v.s.set(ctx, "set status of user", setUser, id, s.String(), ends)
}

func (v users) EndSessions(ctx context.Context, id string) (int64, error) {
	return one(ctx, v.s, "end sessions", func(epoch *int64) []any { return []any{epoch} }, endSessions, id)
}

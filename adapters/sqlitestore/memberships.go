package sqlitestore

import (
	"context"
	"database/sql"

	"medtwin.ai/tollgate/store"
)

const (
	memberColumns = `m.user, m.account, m.role, m.scope, m.created`
	putMember     = `INSERT INTO memberships (user, account, role, scope, created) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (user, account) DO UPDATE SET role = excluded.role, scope = excluded.scope`
	removeMember = `DELETE FROM memberships WHERE user = ? AND account = ?`
	hasMember    = `SELECT user FROM memberships WHERE user = ? AND account = ?`
	getMember    = `SELECT ` + memberColumns + ` FROM memberships m WHERE m.user = ? AND m.account = ?`
	membersUser  = `SELECT ` + memberColumns + ` FROM memberships m WHERE m.user = ? ORDER BY m.account`
	members      = `SELECT ` + memberColumns + ` FROM memberships m WHERE m.account = ? AND m.user > ? ORDER BY m.user LIMIT ?`
)

// memberFields are where memberColumns are read into.
func memberFields(m *store.Membership) []any {
	return []any{&m.User, &m.Account, &m.Role, (*scope)(m), (*instant)(&m.Created)}
}

type memberships struct{ s *Store }

func (v memberships) Put(ctx context.Context, m store.Membership) error {
	return v.s.change(ctx, "put membership", func(tx *sql.Tx) error {
		scope, err := object(m.Scope)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, putMember, m.User, m.Account, m.Role, scope, micros(m.Created))
		return err
	})
}

func (v memberships) Remove(ctx context.Context, account, user string) error {
	return v.s.change(ctx, "remove membership", func(tx *sql.Tx) error {
		return some(tx.ExecContext(ctx, removeMember, user, account))
	})
}

func (v memberships) Get(ctx context.Context, account, user string) (store.Membership, error) {
	return one("get membership", v.s.read.QueryRowContext(ctx, getMember, user, account), memberFields)
}

func (v memberships) OfUser(ctx context.Context, user string) ([]store.Membership, error) {
	rows, err := v.s.read.QueryContext(ctx, membersUser, user)
	return many("list memberships", rows, err, memberFields)
}

func (v memberships) OfAccount(ctx context.Context, account, after string, limit int) ([]store.Membership, error) {
	if limit <= 0 { // to SQLite a negative limit is none
		return nil, nil
	}
	rows, err := v.s.read.QueryContext(ctx, members, account, after, limit)
	return many("list members", rows, err, memberFields)
}

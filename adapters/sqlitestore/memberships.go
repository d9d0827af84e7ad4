package sqlitestore

import (
	"context"
	"database/sql"
	"errors"

	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/sqlkit"
)

const (
	joinMember = `INSERT INTO memberships (` + sqlkit.MembershipColumns + `) VALUES (?, ?, ?, ?, ?)`
	putMember  = joinMember + `
		ON CONFLICT (user_id, account) DO UPDATE SET role = excluded.role, scope = excluded.scope`
	removeMember = `DELETE FROM memberships WHERE user_id = ? AND account = ?`
	hasMember    = `SELECT user_id FROM memberships WHERE user_id = ? AND account = ?`
	swapMember   = `UPDATE memberships SET role = ?3, scope = ?4 WHERE user_id = ?1 AND account = ?2`
	// Other members than one who have a role and whose user is active.
	othersOfRole = `SELECT m.user_id FROM memberships m JOIN users u ON u.id = m.user_id
		WHERE m.account = ? AND m.role = ? AND m.user_id <> ? AND u.status = 'active' LIMIT 1`
	getMember   = `SELECT ` + sqlkit.MembershipColumns + ` FROM memberships m WHERE m.user_id = ? AND m.account = ?`
	membersUser = `SELECT ` + sqlkit.MembershipColumns + ` FROM memberships m WHERE m.user_id = ? ORDER BY m.account`
	members     = `SELECT ` + sqlkit.MembershipColumns + ` FROM memberships m WHERE m.account = ? AND m.user_id > ? ORDER BY m.user_id LIMIT ?`
)

type memberships struct{ s *Store }

func (v memberships) Put(ctx context.Context, m store.Membership) error {
	return v.s.change(ctx, "put membership", func(tx *sql.Tx) error {
		values, err := columns.MembershipValues(m)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, putMember, values...)
		return err
	})
}

func (v memberships) Remove(ctx context.Context, account, user string) error {
	return v.s.change(ctx, "remove membership", func(tx *sql.Tx) error {
		return some(tx.ExecContext(ctx, removeMember, user, account))
	})
}

func (v memberships) Get(ctx context.Context, account, user string) (store.Membership, error) {
	return one("get membership", v.s.read.QueryRowContext(ctx, getMember, user, account), columns.Membership)
}

func (v memberships) OfUser(ctx context.Context, user string) ([]store.Membership, error) {
	rows, err := v.s.read.QueryContext(ctx, membersUser, user)
	return many("list memberships", rows, err, columns.Membership)
}

func (v memberships) OfAccount(ctx context.Context, account, after string, limit int) ([]store.Membership, error) {
	rows, err := v.s.read.QueryContext(ctx, members, account, after, limit)
	return many("list members", rows, err, columns.Membership)
}

func (v memberships) Swap(ctx context.Context, was store.Membership, next *store.Membership, keep string) error {
	return v.s.change(ctx, "swap membership", func(tx *sql.Tx) error {
		var now store.Membership
		if err := tx.QueryRowContext(ctx, getMember, was.User, was.Account).Scan(columns.Membership(&now)...); err != nil {
			return err
		}
		if !now.Equal(was) {
			return store.ErrConflict
		}
		if keep != "" && was.Role == keep && (next == nil || next.Role != keep) {
			err := tx.QueryRowContext(ctx, othersOfRole, was.Account, keep, was.User).Scan(new(string))
			if errors.Is(err, sql.ErrNoRows) {
				return store.ErrLast
			}
			if err != nil {
				return err
			}
		}
		if next == nil {
			return some(tx.ExecContext(ctx, removeMember, was.User, was.Account))
		}
		scope, err := sqlkit.Scope(next.Scope)
		if err != nil {
			return err
		}
		return some(tx.ExecContext(ctx, swapMember, was.User, was.Account, next.Role, scope))
	})
}

package pgstore

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/sqlkit"
)

const (
	joinMember = `INSERT INTO tollgate.memberships (` + sqlkit.MembershipColumns + `) VALUES ($1, $2, $3, $4::json, $5)`
	putMember  = joinMember + `
		ON CONFLICT (user_id, account) DO UPDATE SET role = excluded.role, scope = excluded.scope`
	removeMember = `DELETE FROM tollgate.memberships WHERE user_id = $1 AND account = $2`
	// A transaction that holds this lock and a removal of the member wait for each
	// other.
	keepMember = `SELECT user_id FROM tollgate.memberships WHERE user_id = $1 AND account = $2 FOR KEY SHARE`
	holdMember = getMember + ` FOR UPDATE`
	swapMember = `UPDATE tollgate.memberships SET role = $3, scope = $4::json WHERE user_id = $1 AND account = $2`
	// Other members than one who have a role and whose user is active.
	othersOfRole = `SELECT m.user_id FROM tollgate.memberships m JOIN tollgate.users u ON u.id = m.user_id
		WHERE m.account = $1 AND m.role = $2 AND m.user_id <> $3 AND u.status = 'active' LIMIT 1`
	getMember   = `SELECT ` + sqlkit.MembershipColumns + ` FROM tollgate.memberships m WHERE m.user_id = $1 AND m.account = $2`
	membersUser = `SELECT ` + sqlkit.MembershipColumns + ` FROM tollgate.memberships m WHERE m.user_id = $1 ORDER BY m.account`
	members     = `SELECT ` + sqlkit.MembershipColumns + ` FROM tollgate.memberships m WHERE m.account = $1 AND m.user_id > $2 ORDER BY m.user_id LIMIT $3`
)

type memberships struct{ s *Store }

func (v memberships) Put(ctx context.Context, m store.Membership) error {
	values, err := columns.MembershipValues(m)
	if err != nil {
		return answer("put membership", err)
	}
	return v.s.set(ctx, "put membership", putMember, values...)
}

func (v memberships) Remove(ctx context.Context, account, user string) error {
	return v.s.set(ctx, "remove membership", removeMember, user, account)
}

func (v memberships) Get(ctx context.Context, account, user string) (store.Membership, error) {
	return one(ctx, v.s, "get membership", columns.Membership, getMember, user, account)
}

func (v memberships) OfUser(ctx context.Context, user string) ([]store.Membership, error) {
	return many(ctx, v.s, "list memberships", columns.Membership, membersUser, user)
}

func (v memberships) OfAccount(ctx context.Context, account, after string, limit int) ([]store.Membership, error) {
	return many(ctx, v.s, "list members", columns.Membership, members, account, after, limit)
}

// Swap locks the account before it takes the role keep from a member, so that two such
// calls run one after the other and the second sees what the first has left.
func (v memberships) Swap(ctx context.Context, was store.Membership, next *store.Membership, keep string) error {
	return v.s.change(ctx, "swap membership", func(tx conn) error {
		gives := keep != "" && was.Role == keep && (next == nil || next.Role != keep)
		if gives {
			if err := tx.row(ctx, holdAccount, was.Account).Scan(new(string)); err != nil {
				return err
			}
		}
		var now store.Membership
		if err := tx.row(ctx, holdMember, was.User, was.Account).Scan(record(columns.Membership(&now))); err != nil {
			return err
		}
		if !now.Equal(was) {
			return store.ErrConflict
		}
		if gives {
			err := tx.row(ctx, othersOfRole, was.Account, keep, was.User).Scan(new(string))
			if errors.Is(err, pgx.ErrNoRows) {
				return store.ErrLast
			}
			if err != nil {
				return err
			}
		}
		if next == nil {
			return some(tx.exec(ctx, removeMember, was.User, was.Account))
		}
		scope, err := sqlkit.Scope(next.Scope)
		if err != nil {
			return err
		}
		return some(tx.exec(ctx, swapMember, was.User, was.Account, next.Role, scope))
	})
}

package pgstore

import (
	"context"

	"medtwin.ai/tollgate/store"
)

const (
	memberColumns = `m.user_id, m.account, m.role, m.scope, m.created`
	putMember     = `INSERT INTO tollgate.memberships (user_id, account, role, scope, created) VALUES ($1, $2, $3, $4::json, $5)
		ON CONFLICT (user_id, account) DO UPDATE SET role = excluded.role, scope = excluded.scope`
	removeMember = `DELETE FROM tollgate.memberships WHERE user_id = $1 AND account = $2`
	// A removal and a transaction that holds this lock wait for each other's end.
	keepMember  = `SELECT user_id FROM tollgate.memberships WHERE user_id = $1 AND account = $2 FOR KEY SHARE`
	getMember   = `SELECT ` + memberColumns + ` FROM tollgate.memberships m WHERE m.user_id = $1 AND m.account = $2`
	membersUser = `SELECT ` + memberColumns + ` FROM tollgate.memberships m WHERE m.user_id = $1 ORDER BY m.account`
	members     = `SELECT ` + memberColumns + ` FROM tollgate.memberships m WHERE m.account = $1 AND m.user_id > $2 ORDER BY m.user_id LIMIT $3`
)

// memberFields are where memberColumns are read into.
func memberFields(m *store.Membership) []any {
	return []any{&m.User, &m.Account, &m.Role, (*scope)(m), (*instant)(&m.Created)}
}

type memberships struct{ s *Store }

func (v memberships) Put(ctx context.Context, m store.Membership) error {
	scope, err := object(m.Scope)
	if err != nil {
		return answer("put membership", err)
	}
	return v.s.set(ctx, "put membership", putMember, m.User, m.Account, m.Role, scope, when(m.Created))
}

func (v memberships) Remove(ctx context.Context, account, user string) error {
	return v.s.set(ctx, "remove membership", removeMember, key(user), key(account))
}

func (v memberships) Get(ctx context.Context, account, user string) (store.Membership, error) {
	return one(ctx, v.s, "get membership", memberFields, getMember, key(user), key(account))
}

func (v memberships) OfUser(ctx context.Context, user string) ([]store.Membership, error) {
	return many(ctx, v.s, "list memberships", memberFields, membersUser, key(user))
}

func (v memberships) OfAccount(ctx context.Context, account, after string, limit int) ([]store.Membership, error) {
	if limit <= 0 { // to Postgres a negative limit is an error
		return nil, nil
	}
	return many(ctx, v.s, "list members", memberFields, members, key(account), key(after), limit)
}

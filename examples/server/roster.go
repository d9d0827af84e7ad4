package main

import (
	"context"
	"encoding/json"

	"medtwin.ai/tollgate/examples/server/database"
	"medtwin.ai/tollgate/store"
)

// A roster is a team while nobody else changes it: see team.alone.
//
// In Postgres it is written by statements of its own, in the transaction that
// holds the lock. The library would use another connection. A statement sent over
// that may take effect after the lock is gone and another owner has left, and no
// time-out prevents it. Triggers on the tables tell the library of what is
// written here, as of what is written by hand.
type roster struct {
	*server
	tx database.Tx
}

// alone runs f while nobody else changes the account's team.
func (t *team) alone(ctx context.Context, account string, f func(roster) error) error {
	return t.db.Alone(ctx, "team of "+account, func(tx database.Tx) error { return f(roster{t.server, tx}) })
}

// postgres reports whether the library's records are in Postgres too.
func (in roster) postgres() bool { return in.db.Pool() != nil }

// add adds a member who is not in the account yet.
func (in roster) add(ctx context.Context, m store.Membership) error {
	if !in.postgres() {
		return in.Memberships().Put(ctx, m)
	}
	scope, err := scopeText(m)
	if err != nil {
		return err
	}
	n, err := in.tx.Exec(ctx, `INSERT INTO tollgate.memberships (user_id, account, role, scope, created)
		VALUES (?1, ?2, ?3, CAST(?4 AS json), ?5) ON CONFLICT DO NOTHING`, m.User, m.Account, m.Role, scope, m.Created)
	if err == nil && n == 0 {
		err = errMember
	}
	return err
}

// change gives a member another role and scope.
func (in roster) change(ctx context.Context, m store.Membership) error {
	if !in.postgres() {
		return in.Memberships().Put(ctx, m)
	}
	scope, err := scopeText(m)
	if err != nil {
		return err
	}
	return affected(in.tx.Exec(ctx, `UPDATE tollgate.memberships SET role = ?3, scope = CAST(?4 AS json)
		WHERE user_id = ?1 AND account = ?2`, m.User, m.Account, m.Role, scope))
}

// remove ends a membership.
func (in roster) remove(ctx context.Context, m store.Membership) error {
	if !in.postgres() {
		return in.Memberships().Remove(ctx, m.Account, m.User)
	}
	return affected(in.tx.Exec(ctx, `DELETE FROM tollgate.memberships WHERE user_id = ?1 AND account = ?2`, m.User, m.Account))
}

// scopeText is a scope as the library writes it.
func scopeText(m store.Membership) (string, error) {
	if len(m.Scope) == 0 {
		return "{}", nil
	}
	text, err := json.Marshal(m.Scope)
	return string(text), err
}

func affected(n int64, err error) error {
	if err == nil && n == 0 {
		err = store.ErrNotFound // the operator has removed them meanwhile
	}
	return err
}

package pgstore

import (
	"context"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/sqlkit"
)

const (
	insertAccount = `INSERT INTO tollgate.accounts (` + sqlkit.AccountColumns + `) VALUES ($1, $2, $3, $4, $5, $6)`
	getAccount    = `SELECT ` + sqlkit.AccountColumns + ` FROM tollgate.accounts a WHERE a.id = $1`
	listAccounts  = `SELECT ` + sqlkit.AccountColumns + ` FROM tollgate.accounts a WHERE a.id > $1 ORDER BY a.id LIMIT $2`
	setStatus     = `UPDATE tollgate.accounts SET status = $2 WHERE id = $1`
	setPlan       = `UPDATE tollgate.accounts SET plan = $2, limits = $3 WHERE id = $1`
)

type accounts struct{ s *Store }

func (v accounts) Create(ctx context.Context, a store.Account) error {
	return v.s.set(ctx, "create account", insertAccount, columns.AccountValues(a)...)
}

func (v accounts) Get(ctx context.Context, id string) (store.Account, error) {
	return one(ctx, v.s, "get account", columns.Account, getAccount, id)
}

func (v accounts) List(ctx context.Context, after string, limit int) ([]store.Account, error) {
	return many(ctx, v.s, "list accounts", columns.Account, listAccounts, after, limit)
}

func (v accounts) SetStatus(ctx context.Context, id string, s authz.Status) error {
	return v.s.set(ctx, "set status", setStatus, id, s.String())
}

func (v accounts) SetPlan(ctx context.Context, id, plan, limits string) error {
	return v.s.set(ctx, "set plan", setPlan, id, plan, limits)
}

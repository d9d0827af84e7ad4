package sqlitestore

import (
	"context"
	"database/sql"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/sqlkit"
)

const (
	insertAccount = `INSERT INTO accounts (` + sqlkit.AccountColumns + `) VALUES (?, ?, ?, ?, ?, ?)`
	getAccount    = `SELECT ` + sqlkit.AccountColumns + ` FROM accounts a WHERE a.id = ?`
	listAccounts  = `SELECT ` + sqlkit.AccountColumns + ` FROM accounts a WHERE a.id > ? ORDER BY a.id LIMIT ?`
	setStatus     = `UPDATE accounts SET status = ?2 WHERE id = ?1`
	setPlan       = `UPDATE accounts SET plan = ?2, limits = ?3 WHERE id = ?1`
)

type accounts struct{ s *Store }

func (v accounts) Create(ctx context.Context, a store.Account) error {
	return v.s.change(ctx, "create account", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, insertAccount, columns.AccountValues(a)...)
		return err
	})
}

func (v accounts) Get(ctx context.Context, id string) (store.Account, error) {
	return one("get account", v.s.read.QueryRowContext(ctx, getAccount, id), columns.Account)
}

func (v accounts) List(ctx context.Context, after string, limit int) ([]store.Account, error) {
	rows, err := v.s.read.QueryContext(ctx, listAccounts, after, limit)
	return many("list accounts", rows, err, columns.Account)
}

func (v accounts) SetStatus(ctx context.Context, id string, s authz.Status) error {
	return v.s.change(ctx, "set status", func(tx *sql.Tx) error {
		return some(tx.ExecContext(ctx, setStatus, id, s.String()))
	})
}

func (v accounts) SetPlan(ctx context.Context, id, plan, limits string) error {
	return v.s.change(ctx, "set plan", func(tx *sql.Tx) error {
		return some(tx.ExecContext(ctx, setPlan, id, plan, limits))
	})
}

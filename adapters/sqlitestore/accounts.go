package sqlitestore

import (
	"context"
	"database/sql"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

const (
	insertAccount = `INSERT INTO accounts (id, name, status, plan, limits, created) VALUES (?, ?, ?, ?, ?, ?)`
	getAccount    = `SELECT ` + accountColumns + ` FROM accounts a WHERE a.id = ?`
	listAccounts  = `SELECT ` + accountColumns + ` FROM accounts a WHERE a.id > ? ORDER BY a.id LIMIT ?`
	setStatus     = `UPDATE accounts SET status = ?2 WHERE id = ?1`
	setPlan       = `UPDATE accounts SET plan = ?2, limits = ?3 WHERE id = ?1`
)

type accounts struct{ s *Store }

func (v accounts) Create(ctx context.Context, a store.Account) error {
	return v.s.change(ctx, "create account", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, insertAccount, a.ID, a.Name, a.Status.String(), a.Plan, a.Limits, micros(a.Created))
		return err
	})
}

func (v accounts) Get(ctx context.Context, id string) (store.Account, error) {
	return one("get account", v.s.read.QueryRowContext(ctx, getAccount, id), accountFields)
}

func (v accounts) List(ctx context.Context, after string, limit int) ([]store.Account, error) {
	if limit <= 0 { // to SQLite a negative limit is none
		return nil, nil
	}
	rows, err := v.s.read.QueryContext(ctx, listAccounts, after, limit)
	return many("list accounts", rows, err, accountFields)
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

package main

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"strings"

	"medtwin.ai/tollgate/adapters/sqlitestore"
	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/memory"
)

// A backend is where everything is kept.
type backend struct {
	keys      store.Keys
	keyAdmin  store.KeyAdmin
	accounts  store.Accounts
	changes   store.Changes
	documents *documents
	closers   []io.Closer
}

func openBackend(database string) (*backend, error) {
	kind, path, _ := strings.Cut(database, ":")
	switch {
	case database == "memory":
		m, err := memory.New(memory.Config{})
		if err != nil {
			return nil, err
		}
		b := &backend{keys: m.Keys(), keyAdmin: m.KeyAdmin(), accounts: m.Accounts(), changes: m}
		return b.withDocuments(":memory:")
	case kind == "sqlite" && path != "":
		s, err := sqlitestore.Open(sqlitestore.Config{Path: path})
		if err != nil {
			return nil, err
		}
		b := &backend{keys: s.Keys(), keyAdmin: s.KeyAdmin(), accounts: s.Accounts(), changes: s, closers: []io.Closer{s}}
		return b.withDocuments(path)
	}
	return nil, fmt.Errorf("--database %q: want sqlite:FILE or memory", database)
}

func (b *backend) withDocuments(path string) (*backend, error) {
	db, err := sql.Open("sqlite", path+"?_pragma=busy_timeout(5000)&_pragma=journal_mode(wal)&_pragma=synchronous(full)&_txlock=immediate")
	if err == nil {
		b.closers = append(b.closers, db)
		b.documents, err = newDocuments(context.Background(), db)
	}
	if err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// Close closes what was opened, the last first.
func (b *backend) Close() {
	for i := len(b.closers) - 1; i >= 0; i-- {
		b.closers[i].Close()
	}
}

// newKeys wires the library's key authenticator to the backend.
func newKeys(c config, v vocabulary, b *backend, set func(*authn.KeysConfig)) (*authn.Keys, error) {
	any, err := anyKeys(context.Background(), b)
	if err != nil {
		return nil, err
	}
	peppers, err := loadPeppers(c.pepperFile, any)
	if err != nil {
		return nil, err
	}
	kc := authn.KeysConfig{
		Store: b.keys, Admin: b.keyAdmin, Changes: b.changes,
		Model: v.model, Formats: v.formats, Peppers: peppers, Quota: 1000,
	}
	if set != nil {
		set(&kc)
	}
	return authn.NewKeys(kc)
}

func anyKeys(ctx context.Context, b *backend) (bool, error) {
	for after := ""; ; {
		accounts, err := b.accounts.List(ctx, after, 100)
		if err != nil || len(accounts) == 0 {
			return false, err
		}
		for _, a := range accounts {
			if keys, err := b.keyAdmin.List(ctx, a.ID, "", 1); err != nil || len(keys) > 0 {
				return len(keys) > 0, err
			}
		}
		after = accounts[len(accounts)-1].ID
	}
}

package main

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"net/url"
	"strings"

	"medtwin.ai/tollgate/adapters/sqlitestore"
	"medtwin.ai/tollgate/authn/apikey"
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
	settings := url.Values{
		"_pragma": {"busy_timeout(5000)", "journal_mode(wal)", "synchronous(full)"},
		"_txlock": {"immediate"},
	}
	u := url.URL{Scheme: "file", Opaque: url.PathEscape(path), RawQuery: settings.Encode()}
	db, err := sql.Open("sqlite", u.String())
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
func newKeys(c config, v vocabulary, b *backend, set func(*apikey.Config)) (*apikey.Manager, error) {
	used, err := usedPepper(context.Background(), b)
	if err != nil {
		return nil, err
	}
	peppers, err := loadPeppers(c.pepperFile, used)
	if err != nil {
		return nil, err
	}
	kc := apikey.Config{
		Store: b.keys, Admin: b.keyAdmin, Changes: b.changes,
		Model: v.model, Formats: v.formats, Peppers: peppers, Quota: 1000,
	}
	if set != nil {
		set(&kc)
	}
	return apikey.New(kc)
}

// usedPepper returns the id of the pepper that the newest key of some account
// was digested under, "" where there are no keys.
func usedPepper(ctx context.Context, b *backend) (string, error) {
	for after := ""; ; {
		accounts, err := b.accounts.List(ctx, after, 100)
		if err != nil || len(accounts) == 0 {
			return "", err
		}
		for _, a := range accounts {
			keys, err := b.keyAdmin.List(ctx, a.ID, "", 1)
			if err != nil {
				return "", err
			}
			if len(keys) > 0 {
				return keys[0].Digest.Pepper, nil
			}
		}
		after = accounts[len(accounts)-1].ID
	}
}

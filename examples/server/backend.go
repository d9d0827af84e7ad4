package main

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"net/url"
	"strings"

	"medtwin.ai/tollgate/adapters/sqlitestore"
	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/memory"
)

// A backend is where everything is kept.
type backend struct {
	stores
	db        *sql.DB // the application's own tables
	documents *documents
	people    *people
	closers   []io.Closer
}

// stores is what a backend of the library offers.
type stores interface {
	Keys() store.Keys
	KeyAdmin() store.KeyAdmin
	Accounts() store.Accounts
	Users() store.Users
	Memberships() store.Memberships
	Sessions() store.Sessions
	Events() store.Events
	store.Changes
}

func openBackend(database string) (*backend, error) {
	kind, path, _ := strings.Cut(database, ":")
	switch {
	case database == "memory":
		m, err := memory.New(memory.Config{})
		if err != nil {
			return nil, err
		}
		return newBackend(m, ":memory:")
	case kind == "sqlite" && path != "":
		s, err := sqlitestore.Open(sqlitestore.Config{Path: path})
		if err != nil {
			return nil, err
		}
		return newBackend(s, path, s)
	}
	return nil, fmt.Errorf("--database %q: want sqlite:FILE or memory", database)
}

// newBackend opens the application's own tables beside the library's stores.
func newBackend(s stores, path string, closers ...io.Closer) (*backend, error) {
	b := &backend{stores: s, closers: closers}
	settings := url.Values{
		"_pragma": {"busy_timeout(5000)", "journal_mode(wal)", "synchronous(full)"},
		"_txlock": {"immediate"},
	}
	u := url.URL{Scheme: "file", Opaque: url.PathEscape(path), RawQuery: settings.Encode()}
	db, err := sql.Open("sqlite", u.String())
	if err == nil {
		b.db, b.closers = db, append(b.closers, db)
		b.documents, err = newDocuments(context.Background(), db)
	}
	if err == nil {
		b.people, err = newPeople(context.Background(), db)
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

// usedPepper returns the id of the pepper that the newest key of some account
// was digested under, "" where there are no keys.
func usedPepper(ctx context.Context, b *backend) (string, error) {
	for after := ""; ; {
		accounts, err := b.Accounts().List(ctx, after, 100)
		if err != nil || len(accounts) == 0 {
			return "", err
		}
		for _, a := range accounts {
			keys, err := b.KeyAdmin().List(ctx, a.ID, "", 100)
			if err != nil {
				return "", err
			}
			for _, k := range keys {
				if k.Import == "" { // an imported one has not met a pepper yet
					return k.Digest.Pepper, nil
				}
			}
		}
		after = accounts[len(accounts)-1].ID
	}
}

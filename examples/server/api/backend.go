package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"medtwin.ai/tollgate/adapters/redisstore"
	"medtwin.ai/tollgate/adapters/sqlitestore"
	"medtwin.ai/tollgate/examples/server/database"
	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/memory"
)

// A backend is where everything is kept.
type backend struct {
	stores
	db        *database.DB // the application's own tables
	documents *documents
	redis     *redisstore.Store           // of sessions; nil: they are with the rest
	ready     func(context.Context) error // of the database
	closers   []io.Closer
}

type stores = store.Store

// openBackend opens what --database names. Errors do not repeat it: it may
// hold a password.
func openBackend(ctx context.Context, name, listen string) (*backend, error) {
	if listen != "" && !database.IsPostgres(name) {
		return nil, errors.New("--listen-database: only Postgres has one")
	}
	b, err := new(backend), error(nil)
	if kind, path, _ := strings.Cut(name, ":"); name == "memory" {
		if b.stores, err = memory.New(memory.Config{}); err == nil {
			if b.db, err = database.SQLite(ctx, ":memory:"); err == nil {
				b.closers = append(b.closers, b.db)
			}
		}
	} else if kind == "sqlite" && path != "" {
		err = b.openFile(ctx, path)
	} else if database.IsPostgres(name) {
		if err = b.connect(name); err == nil {
			if err := b.db.Listen(listen); err != nil {
				b.Close()
				return nil, fmt.Errorf("--listen-database: %w", err)
			}
			err = b.prepare(ctx)
		}
	} else {
		err = errors.New("want postgres://USER:PASSWORD@HOST/DATABASE, sqlite:FILE or memory")
	}
	if err != nil {
		b.Close()
		return nil, fmt.Errorf("--database: %w", err)
	}
	b.documents, b.ready = &documents{b.db}, b.lists
	if s, ok := b.stores.(interface{ Ready(context.Context) error }); ok {
		b.ready = s.Ready
	}
	return b, nil
}

func (b *backend) openFile(ctx context.Context, path string) error {
	s, err := sqlitestore.Open(sqlitestore.Config{Path: path})
	if err != nil {
		return err
	}
	b.stores, b.closers = s, append(b.closers, s)
	if b.db, err = database.SQLite(ctx, path); err == nil {
		b.closers = append(b.closers, b.db)
	}
	return err
}

// connect has Postgres at hand, whatever is in it.
func (b *backend) connect(url string) (err error) {
	if b.db, err = database.Postgres(url); err == nil {
		b.closers = append(b.closers, b.db)
	}
	return err
}

func (b *backend) prepare(ctx context.Context) (err error) {
	if err = b.db.Prepare(ctx); err == nil {
		b.stores, err = b.db.Library(ctx)
	}
	return err
}

// Close closes what was opened, the last first.
func (b *backend) Close() {
	for i := len(b.closers) - 1; i >= 0; i-- {
		b.closers[i].Close()
	}
}

package pgstore

import (
	"context"
	"embed"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"medtwin.ai/tollgate/store/sqlkit"
)

var (
	// ErrNewer means that a newer release has made the schema, and that this one
	// cannot work with it.
	ErrNewer = sqlkit.ErrNewer
	// ErrOlder means that the database lacks one migration or all of them.
	ErrOlder = errors.New("pgstore: the database is of an older release")
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations returns the steps to the newest version, in order, for a schema with this
// name; "" is tollgate. [Migrate] takes these steps. Other tools can run them, too, if
// they make the schema itself first. Each step records itself for [Open].
//
// Programs of the version before a step work with it, so that it can be taken while
// they run. A step adds, and a later step removes what no program uses any more.
func Migrations(name string) []sqlkit.Migration { return newSchema(name).tables().Scripts() }

// tables returns the steps for this schema.
func (s *schema) tables() sqlkit.Schema {
	steps, err := sqlkit.ReadMigrations(files, "migrations")
	if err != nil {
		panic("pgstore: " + err.Error()) // they are in the binary
	}
	for i, m := range steps {
		steps[i].Up, steps[i].Down = s.fill(m.Up), s.fill(m.Down)
	}
	return sqlkit.Postgres(s.name, steps)
}

func newest() int { return newSchema("").tables().Newest() }

// Migrate takes the database up or down to a version of the schema, in one transaction.
// Version 0 has no tables. If several processes migrate at the same time, one does the
// work and the others wait. Migrate makes the schema if there is none, and tells every
// watch to forget everything. Going down deletes what the older version cannot store;
// stop the programs that use the database first.
func Migrate(ctx context.Context, c Config, version int) error {
	if err := newSchema("").tables().Check(version); err != nil {
		return fmt.Errorf("pgstore: %w", err)
	}
	s, err := connect(c)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.migrate(ctx, version); err != nil {
		return fmt.Errorf("pgstore: migrate: %w", err)
	}
	return nil
}

func (s *Store) migrate(ctx context.Context, to int) error {
	c, err := s.dial(ctx, s.pool.Config().ConnConfig) // not Listen, which may be another database
	if err != nil {
		return err
	}
	defer hangUp(c)
	return pgx.BeginTxFunc(ctx, c, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error {
		done, err := s.schema.tables().Migrate(ctx, handle{conn{pgx: tx}}, to)
		if err == nil && done {
			_, err = tx.Exec(ctx, `SELECT pg_notify($1, '')`, s.schema.name)
		}
		return err
	})
}

// A handle runs statements of package sqlkit, which name the schema already.
type handle struct{ conn conn }

// Exec implements [sqlkit.Conn].
func (h handle) Exec(ctx context.Context, script string) error {
	return h.conn.run(ctx, false, func(q querier) error {
		_, err := q.Exec(ctx, script)
		return err
	})
}

// Row implements [sqlkit.Conn].
func (h handle) Row(ctx context.Context, query string, into ...any) error {
	return h.conn.run(ctx, true, func(q querier) error { return q.QueryRow(ctx, query).Scan(into...) })
}

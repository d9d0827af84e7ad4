package pgstore

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

var (
	// ErrNewer is returned for a database whose schema a newer release has made,
	// and which this one cannot work with.
	ErrNewer = errors.New("pgstore: the database is of a newer release")
	// ErrOlder is returned for a database that lacks a migration, or all.
	ErrOlder = errors.New("pgstore: the database is of an older release")
)

//go:embed migrations/*.sql
var files embed.FS

// A Migration is one step of the schema, each way in SQL: several statements,
// to be run in one transaction.
type Migration struct {
	Version  int // from 1, without holes
	Name     string
	Up, Down string
}

// Migrations returns the steps to the newest version, in order, with the name
// of the schema filled in ("": tollgate). [Migrate] takes them; they are here
// for those who review them or run them with tools of their own, which must
// make the schema itself before. Each step records itself for [Open].
//
// A step works with programs of the version before, so that it can be taken
// while they run: it adds, and a later one removes what nobody uses any more.
func Migrations(name string) []Migration {
	s := newSchema(name)
	ups, err := files.ReadDir("migrations")
	if err != nil {
		panic(err) // they are in the binary
	}
	var list []Migration
	for _, f := range ups { // sorted by name
		base, up := strings.CutSuffix(f.Name(), ".up.sql")
		if !up {
			continue
		}
		number, name, _ := strings.Cut(base, "_")
		version, err := strconv.Atoi(number)
		if err != nil || version != len(list)+1 {
			panic("pgstore: migrations/" + f.Name() + " is out of order")
		}
		since := max(1, version-1) // the oldest version whose programs work with this one
		record := fmt.Sprintf("\nINSERT INTO tollgate.migrations (version, name, since) VALUES (%d, '%s', %d);\n", version, name, since)
		forget := fmt.Sprintf("DELETE FROM tollgate.migrations WHERE version = %d;\n\n", version)
		list = append(list, Migration{version, name, s.fill(text(base+".up.sql") + record), s.fill(forget + text(base+".down.sql"))})
	}
	return list
}

func text(name string) string {
	b, err := files.ReadFile("migrations/" + name)
	if err != nil {
		panic(err) // they are in the binary
	}
	return string(b)
}

func newest() int { return len(Migrations("")) }

// Migrate brings the database up or down to a version of the schema, 0 being
// no tables at all, in one transaction. Of several at once one does the work and
// the others wait. It makes the schema where there is none, and tells every
// watch to forget everything. Going down loses what the older version cannot
// hold; stop the programs that use it first.
func Migrate(ctx context.Context, c Config, version int) error {
	if version < 0 || version > newest() {
		return fmt.Errorf("pgstore: there is no version %d of the schema; the newest is %d", version, newest())
	}
	s, err := connect(c)
	if err != nil {
		return err
	}
	defer s.Close()
	err = s.migrate(ctx, version)
	if err != nil && !errors.Is(err, ErrNewer) {
		err = fmt.Errorf("pgstore: migrate: %w", err)
	}
	return err
}

func (s *Store) migrate(ctx context.Context, to int) error {
	c, err := s.dial(ctx, s.pool.Config().ConnConfig) // not Listen, which may lead elsewhere
	if err != nil {
		return err
	}
	defer hangUp(c)
	// A migration that has waited for the lock must see what was done meanwhile.
	return pgx.BeginTxFunc(ctx, c, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error {
		t := conn{pgx: tx, schema: s.schema}
		// Until the transaction ends, however it ends.
		if _, err := t.exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`, "tollgate migrates "+s.schema.name); err != nil {
			return err
		}
		at, err := version(ctx, t)
		if err == nil && at > newest() { // which only a newer release can take down
			err = newer(at)
		}
		if err != nil || at == to {
			return err // nothing is written where there is nothing to do
		}
		if err := t.steps(ctx, at, to); err != nil {
			return err
		}
		_, err = t.exec(ctx, `SELECT pg_notify($1, '')`, s.schema.name)
		return err
	})
}

func (c conn) steps(ctx context.Context, at, to int) error {
	// Not IF NOT EXISTS, which asks for the right to make one also where it is.
	var there bool
	if err := c.row(ctx, `SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = $1)`, c.schema.name).Scan(&there); err != nil {
		return err
	}
	if !there {
		if _, err := c.pgx.Exec(ctx, `CREATE SCHEMA `+c.schema.quoted); err != nil {
			return err
		}
	}
	all := Migrations(c.schema.name)
	for ; at < to; at++ {
		if _, err := c.pgx.Exec(ctx, all[at].Up); err != nil {
			return fmt.Errorf("up to version %d: %w", at+1, err)
		}
	}
	for ; at > to; at-- {
		if _, err := c.pgx.Exec(ctx, all[at-1].Down); err != nil {
			return fmt.Errorf("down from version %d: %w", at, err)
		}
	}
	return nil
}

// version returns the version of the schema, 0 where there is none. It is
// [ErrNewer] where this release cannot work with that.
func version(ctx context.Context, c conn) (int, error) {
	var v, since int
	var there bool
	// Not to_regclass, which in a transaction that has waited for another to
	// make the table may remember that there was none.
	err := c.row(ctx, `SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $1 AND c.relname = 'migrations')`, c.schema.name).Scan(&there)
	if err == nil && there {
		err = c.row(ctx, `SELECT coalesce(max(version), 0), coalesce(max(since), 0) FROM tollgate.migrations`).Scan(&v, &since)
	}
	if err != nil {
		return 0, fmt.Errorf("version of the schema: %w", err)
	}
	if since > newest() {
		return 0, newer(v)
	}
	return v, nil
}

func newer(v int) error {
	return fmt.Errorf("%w: it has version %d of the schema and this release knows %d", ErrNewer, v, newest())
}

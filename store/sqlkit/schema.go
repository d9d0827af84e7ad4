package sqlkit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// ErrNewer means that a newer release has migrated the database, and that this one cannot
// work with it.
var ErrNewer = errors.New("the database is of a newer release")

// A Migration is one step of a schema, each way in SQL: several statements, to be
// run in one transaction.
type Migration struct {
	Version  int // from 1, without holes
	Name     string
	Up, Down string
}

// ReadMigrations returns the steps in the folder dir of files, in order. The files are
// named 0001_some_name.up.sql and 0001_some_name.down.sql, and so on.
func ReadMigrations(files fs.FS, dir string) ([]Migration, error) {
	entries, err := fs.ReadDir(files, dir) // sorted by name
	if err != nil {
		return nil, err
	}
	var list []Migration
	for _, e := range entries {
		base, up := strings.CutSuffix(e.Name(), ".up.sql")
		if !up {
			continue
		}
		number, name, _ := strings.Cut(base, "_")
		version, err := strconv.Atoi(number)
		if err != nil || version != len(list)+1 {
			return nil, fmt.Errorf("%s/%s is out of order: want version %d", dir, e.Name(), len(list)+1)
		}
		m := Migration{Version: version, Name: name}
		for _, way := range []struct {
			text *string
			name string
		}{{&m.Up, base + ".up.sql"}, {&m.Down, base + ".down.sql"}} {
			b, err := fs.ReadFile(files, dir+"/"+way.name)
			if err != nil {
				return nil, err
			}
			*way.text = string(b)
		}
		list = append(list, m)
	}
	return list, nil
}

// A Schema is a set of tables and the steps that make them. [Postgres] and [SQLite] return
// one.
//
// One of its tables records the steps that were taken. The first step must make that table,
// with the columns version, name and since. Migrate adds and deletes its rows. since is the
// oldest version whose programs work with this one: so programs can go on while a newer
// release migrates, and after that.
type Schema struct {
	Steps []Migration // from version 1, without holes
	Back  int         // a program works with the steps of this many newer versions

	Table  string // of the steps that were taken, as SQL names it
	Exists string // a query that returns whether Table exists
	Make   string // runs before a step; "" if nothing has to be made
	Lock   string // waits for others that migrate; "" if writing transactions do that by themselves
}

// Postgres returns a schema with this name, which Migrate makes if there is none. Its table
// of steps is called migrations. A program works with one newer version, so that it can be
// replaced after the migration. The transactions must be READ COMMITTED, because one that
// has waited for the lock must see what the one before has done.
func Postgres(name string, steps []Migration) Schema {
	identifier, literal := quoted(name, `"`), quoted(name, `'`)
	return Schema{
		Steps: steps, Back: 1,
		Table: identifier + ".migrations",
		// Not to_regclass: after a transaction has waited for another one to make the
		// table, it may still return that there is none.
		Exists: `SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
			WHERE n.nspname = ` + literal + ` AND c.relname = 'migrations')`,
		// Not CREATE SCHEMA IF NOT EXISTS, which needs the privilege to make one even
		// if it exists.
		Make: `DO ` + quoted(`BEGIN IF NOT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = `+literal+`)
			THEN CREATE SCHEMA `+identifier+`; END IF; END`, `'`),
		Lock: `SELECT pg_advisory_xact_lock(hashtextextended('tollgate migrates ' || ` + literal + `, 0))`,
	}
}

// SQLite returns a schema whose table of steps has this name. A program works with no newer
// version. The transactions must begin with BEGIN IMMEDIATE.
func SQLite(table string, steps []Migration) Schema {
	return Schema{
		Steps: steps, Table: table,
		Exists: `SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ` + quoted(table, `'`),
	}
}

// quoted returns text between quotes, with those inside doubled.
func quoted(text, quote string) string {
	return quote + strings.ReplaceAll(text, quote, quote+quote) + quote
}

// Newest returns the version after the last step, which this release needs.
func (s Schema) Newest() int { return len(s.Steps) }

// Check returns an error if there is no such version.
func (s Schema) Check(version int) error {
	if version < 0 || version > s.Newest() {
		return fmt.Errorf("there is no version %d of the schema; the newest is %d", version, s.Newest())
	}
	return nil
}

// Scripts returns the steps with the statements that record each of them. Other tools can
// run them, after they have run Make.
func (s Schema) Scripts() []Migration {
	list := make([]Migration, len(s.Steps))
	for i, m := range s.Steps {
		m.Up += fmt.Sprintf("\nINSERT INTO %s (version, name, since) VALUES (%d, %s, %d);\n",
			s.Table, m.Version, quoted(m.Name, `'`), max(1, m.Version-s.Back))
		m.Down = fmt.Sprintf("DELETE FROM %s WHERE version = %d;\n\n", s.Table, m.Version) + m.Down
		list[i] = m
	}
	return list
}

// A Conn runs statements for a schema: in a transaction of a driver, or for
// [Schema.Version] on any connection.
type Conn interface {
	// Exec runs several statements without arguments.
	Exec(ctx context.Context, script string) error
	// Row runs a query without arguments and reads its only row.
	Row(ctx context.Context, query string, into ...any) error
}

// Version returns the version of the database, which is 0 if it has no tables. It returns
// [ErrNewer] for a version of a newer release that this one does not work with.
func (s Schema) Version(ctx context.Context, c Conn) (int, error) {
	var there bool
	var version, since int
	err := c.Row(ctx, s.Exists, &there)
	if err == nil && there {
		err = c.Row(ctx, `SELECT coalesce(max(version), 0), coalesce(max(since), 0) FROM `+s.Table, &version, &since)
	}
	if err != nil {
		return 0, fmt.Errorf("version of the schema: %w", err)
	}
	if since > s.Newest() {
		return 0, s.newer(version)
	}
	return version, nil
}

func (s Schema) newer(version int) error {
	return fmt.Errorf("%w: it has version %d of the schema and this release knows %d", ErrNewer, version, s.Newest())
}

// Migrate takes the database up or down to a version in the transaction tx, and reports
// whether there was anything to do. Version 0 has no tables. If several processes migrate
// at the same time, one takes the steps and the others wait for it. Migrate returns
// [ErrNewer] if only a newer release can take the database down.
func (s Schema) Migrate(ctx context.Context, tx Conn, to int) (done bool, err error) {
	if err := s.Check(to); err != nil {
		return false, err
	}
	if s.Lock != "" {
		if err := tx.Exec(ctx, s.Lock); err != nil {
			return false, err
		}
	}
	at, err := s.Version(ctx, tx)
	if err == nil && at > s.Newest() {
		err = s.newer(at)
	}
	if err != nil || at == to {
		return false, err // nothing is written where there is nothing to do
	}
	if at < to && s.Make != "" {
		if err := tx.Exec(ctx, s.Make); err != nil {
			return false, err
		}
	}
	scripts := s.Scripts()
	for ; at < to; at++ {
		if err := tx.Exec(ctx, scripts[at].Up); err != nil {
			return false, fmt.Errorf("up to version %d: %w", at+1, err)
		}
	}
	for ; at > to; at-- {
		if err := tx.Exec(ctx, scripts[at-1].Down); err != nil {
			return false, fmt.Errorf("down from version %d: %w", at, err)
		}
	}
	return true, nil
}

package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	_ "embed"
	"fmt"

	"modernc.org/sqlite"

	"medtwin.ai/tollgate/store/sqlkit"
)

//go:embed sqlite.sql
var sqliteUp string

// The table of steps has another name than that of the library, which is in the same
// file.
var sqliteSchema = sqlkit.Schema{
	Steps:  []sqlkit.Migration{{Version: 1, Name: "all_tables", Up: sqliteUp}},
	Table:  schema + ".server_migrations",
	Exists: `SELECT count(*) FROM ` + schema + `.sqlite_schema WHERE name = 'server_migrations'`,
}

// SQLite opens a file, ":memory:" for one that ends with the process, and makes
// what tables it lacks.
func SQLite(ctx context.Context, path string) (*DB, error) {
	db := sql.OpenDB(attached(path))
	db.SetMaxOpenConns(1) // one in memory is one connection
	d := &DB{Conn: Conn{sql: db}, sql: db}
	if err := d.Do(ctx, func(tx Tx) error {
		_, err := sqliteSchema.Migrate(ctx, scripts{tx.Conn}, sqliteSchema.Newest())
		return err
	}); err != nil {
		db.Close()
		return nil, fmt.Errorf("database: %w", err)
	}
	return d, nil
}

// attached is the path of a file. Its connections have the file under the name of the
// schema in Postgres, so that statements name tables the same in both.
type attached string

// Connect implements [driver.Connector].
func (a attached) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := a.Driver().Open(":memory:?_pragma=busy_timeout(5000)&_txlock=immediate")
	if err != nil {
		return nil, err
	}
	run := c.(driver.ExecerContext).ExecContext
	_, err = run(ctx, `ATTACH $1 AS `+schema, []driver.NamedValue{{Ordinal: 1, Value: string(a)}})
	if err == nil {
		_, err = run(ctx, `PRAGMA `+schema+`.journal_mode = wal; PRAGMA `+schema+`.synchronous = full`, nil)
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Driver implements [driver.Connector].
func (attached) Driver() driver.Driver { return &sqlite.Driver{} }

package database

import (
	"context"
	"database/sql"
	_ "embed"
	"fmt"
	"net/url"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

//go:embed sqlite.sql
var tables string

// SQLite opens a file, ":memory:" for one that ends with the process, and makes
// what tables it lacks.
func SQLite(ctx context.Context, path string) (*DB, error) {
	settings := url.Values{
		"_pragma": {"busy_timeout(5000)", "journal_mode(wal)", "synchronous(full)"},
		"_txlock": {"immediate"},
	}
	u := url.URL{Scheme: "file", Opaque: url.PathEscape(path), RawQuery: settings.Encode()}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	db.SetMaxOpenConns(1) // one in memory is one connection
	d := &DB{Conn: Conn{sql: db}, sql: db}
	if err := d.Do(ctx, func(tx Tx) error {
		if _, err := tx.Exec(ctx, tables); err != nil {
			return err
		}
		for _, c := range []struct{ name, definition string }{ // that an older file lacks
			{"busy", "INTEGER NOT NULL DEFAULT 0"}, {"origin", "TEXT NOT NULL DEFAULT ''"},
		} {
			var there bool
			err := tx.Row(ctx, `SELECT count(*) FROM pragma_table_info('server_leak_reports') WHERE name = ?1`, c.name).Scan(&there)
			if err == nil && !there {
				_, err = tx.Exec(ctx, `ALTER TABLE server_leak_reports ADD COLUMN `+c.name+` `+c.definition)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		db.Close()
		return nil, fmt.Errorf("database: %w", err)
	}
	return d, nil
}

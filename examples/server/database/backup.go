package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
)

// Backup writes all that an SQLite database holds at one moment into the file
// to, with mode 0600. The file must not exist, and is there only once it is
// complete and has passed SQLite's integrity check. Others may read and write
// the database meanwhile. A copy of the database's file alone would lack what is
// in the write-ahead log beside it (https://sqlite.org/wal.html §4).
func Backup(ctx context.Context, path, to string) error {
	if _, err := os.Stat(path); err != nil { // SQLite would make it
		return fmt.Errorf("database: %w", err)
	}
	if _, err := os.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
		if err == nil {
			err = fmt.Errorf("%s exists: name a file that does not", to)
		}
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(to), filepath.Base(to)+".*") // mode 0600, and VACUUM takes an empty file
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name()) // fails once it has its name
	defer temp.Close()
	if err := vacuum(ctx, path, temp.Name()); err != nil {
		return err
	}
	if err := intact(ctx, temp.Name()); err != nil {
		return err
	}
	if err := temp.Sync(); err != nil {
		return err
	}
	if err := os.Rename(temp.Name(), to); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(to))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync() // the name survives a loss of power too
}

func vacuum(ctx context.Context, path, to string) error {
	db, err := open(path, url.Values{"mode": {"rw"}, "_pragma": {"busy_timeout(5000)"}})
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, `VACUUM INTO $1`, to); err != nil {
		return fmt.Errorf("database: backup: %w", err)
	}
	return nil
}

func intact(ctx context.Context, path string) error {
	db, err := open(path, url.Values{"mode": {"ro"}})
	if err != nil {
		return err
	}
	defer db.Close()
	var result string
	if err := db.QueryRowContext(ctx, `PRAGMA integrity_check(1)`).Scan(&result); err != nil {
		return fmt.Errorf("database: backup: %w", err)
	}
	if result != "ok" {
		return fmt.Errorf("database: the backup, and so perhaps the database, is damaged: %s", result)
	}
	return nil
}

func open(path string, settings url.Values) (*sql.DB, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	u := url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: settings.Encode()}
	db, err := sql.Open("sqlite", u.String())
	if err == nil {
		db.SetMaxOpenConns(1)
	}
	return db, err
}

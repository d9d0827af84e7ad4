// Package sqlitestore keeps keys, accounts and people in one SQLite file, with
// a driver in pure Go.
//
// A call returns after its change is on the disk, where it survives the end of the
// process and the loss of power. Several processes of one machine may share the file.
// Each hears within a quarter of a second of the changes of the others, and of changes
// made by hand with the sqlite3 shell. The file must be on a local disk.
package sqlitestore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"modernc.org/sqlite" // registers the driver "sqlite"

	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/guard"
	"medtwin.ai/tollgate/store/sqlkit"
)

// Config says where the database is.
type Config struct {
	Path string        // of the file, which is made with mode 0600 if there is none. Required.
	Poll time.Duration // how often Watch looks for changes of others. Default: 250 ms.
}

// A Store keeps keys, accounts and people in a SQLite file. It is safe for
// concurrent use.
type Store struct {
	path string
	poll time.Duration

	write *sql.DB // one connection: SQLite has one writer at a time
	read  *sql.DB

	find, findSession, getUser *sql.Stmt // the statements of requests

	mu    sync.Mutex
	wakes map[chan struct{}]bool // of the watches
}

var _ store.Store = (*Store)(nil)

// Open opens the database and migrates it to the newest schema. It returns [ErrNewer]
// if a newer release has made the schema.
func Open(c Config) (*Store, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if err := touchFile(c.Path); err != nil {
		return nil, fmt.Errorf("sqlitestore: %w", err)
	}
	s := &Store{path: c.Path, poll: cmp.Or(c.Poll, 250*time.Millisecond), wakes: make(map[chan struct{}]bool)}
	if err := s.open(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (c Config) check() error {
	var errs []error
	if c.Path == "" {
		errs = append(errs, errors.New("sqlitestore: Path is empty"))
	}
	if c.Path == ":memory:" {
		errs = append(errs, errors.New("sqlitestore: Path is :memory:; use package store/memory"))
	}
	if c.Poll < 0 {
		errs = append(errs, fmt.Errorf("sqlitestore: Poll is %v, want more than 0", c.Poll))
	}
	return errors.Join(errs...)
}

func (s *Store) open() error {
	var err error
	if s.write, err = connect(s.path, writer, 1); err != nil {
		return err
	}
	if err := migrate(context.Background(), s.write, newest()); err != nil {
		return err
	}
	if s.read, err = connect(s.path, reader, max(4, runtime.GOMAXPROCS(0))); err != nil {
		return err
	}
	for query, stmt := range map[string]**sql.Stmt{findKey: &s.find, findSession: &s.findSession, getUser: &s.getUser} {
		if *stmt, err = s.read.Prepare(query); err != nil {
			return fmt.Errorf("sqlitestore: %w", err)
		}
	}
	return nil
}

// touchFile makes the file, which SQLite would make readable for others.
func touchFile(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// The settings of connections. With a write-ahead log, readers and the writer do not
// wait for each other. synchronous=FULL flushes the log on every commit.
var (
	writer = url.Values{
		"_pragma": {"busy_timeout(5000)", "foreign_keys(1)", "journal_mode(wal)", "synchronous(full)"},
		"_txlock": {"immediate"}, // a transaction that reads first and then writes could fail
	}
	reader = url.Values{"_pragma": {"busy_timeout(5000)", "query_only(1)"}}
)

func connect(path string, settings url.Values, most int) (*sql.DB, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("sqlitestore: %w", err)
	}
	u := url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: settings.Encode()}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, fmt.Errorf("sqlitestore: %w", err)
	}
	db.SetMaxOpenConns(most)
	db.SetMaxIdleConns(most)
	return db, nil
}

// Close closes the database. End the watches first.
func (s *Store) Close() error {
	var errs []error
	for _, stmt := range []*sql.Stmt{s.find, s.findSession, s.getUser} {
		if stmt != nil {
			errs = append(errs, stmt.Close())
		}
	}
	for _, db := range []*sql.DB{s.read, s.write} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}

// Ready returns nil if the store can work now: it has read, and has committed a write that
// needs space and leaves no row. Otherwise it returns the reason.
func (s *Store) Ready(ctx context.Context) error {
	const (
		put  = `INSERT INTO events (id, note) VALUES ('evt_ready', hex(zeroblob(4096)))`
		take = `DELETE FROM events WHERE id = 'evt_ready'`
	)
	if _, err := s.read.ExecContext(ctx, `SELECT 1 FROM accounts LIMIT 1`); err != nil {
		return fmt.Errorf("sqlitestore: %w", err)
	}
	tx, err := s.write.BeginTx(ctx, nil)
	if err == nil {
		defer tx.Rollback() // no effect after Commit
		for _, statement := range []string{put, take} {
			if err == nil {
				_, err = tx.ExecContext(ctx, statement)
			}
		}
	}
	if err == nil {
		err = tx.Commit()
	}
	if err != nil {
		return fmt.Errorf("sqlitestore: the file takes no writes: %w", err)
	}
	return nil
}

// Keys returns the keys as requests read them.
func (s *Store) Keys() store.Keys { return guard.Keys(keys{s}) }

// KeyAdmin returns the keys as their management reads and changes them.
func (s *Store) KeyAdmin() store.KeyAdmin { return guard.KeyAdmin(admin{s}) }

// Accounts returns the accounts.
func (s *Store) Accounts() store.Accounts { return guard.Accounts(accounts{s}) }

// Users returns the users.
func (s *Store) Users() store.Users { return guard.Users(users{s}) }

// Memberships returns the memberships of users in accounts.
func (s *Store) Memberships() store.Memberships { return guard.Memberships(memberships{s}) }

// Invitations returns the invitations to accounts.
func (s *Store) Invitations() store.Invitations { return guard.Invitations(invitations{s}) }

// Sessions returns the sessions.
func (s *Store) Sessions() store.Sessions { return guard.Sessions(sessions{s}) }

// Events returns the audit log.
func (s *Store) Events() store.Events { return guard.Events(events{s}) }

// Fingerprints returns the fingerprints of the secrets.
func (s *Store) Fingerprints() store.Fingerprints { return guard.Fingerprints(fingerprints{s}) }

// change runs f in a transaction, and wakes the watches of this process after the commit.
// No other transaction writes at the same time.
func (s *Store) change(ctx context.Context, what string, f func(tx *sql.Tx) error) error {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("sqlitestore: %s: %w", what, err)
	}
	defer tx.Rollback() // no effect after Commit
	if err := f(tx); err != nil {
		return answer(what, err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("sqlitestore: %s: %w", what, err)
	}
	s.wake()
	return nil
}

// count runs one statement and returns the number of rows that it has changed.
func (s *Store) count(ctx context.Context, what, query string, args ...any) (n int, err error) {
	err = s.change(ctx, what, func(tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, query, args...)
		if err != nil {
			return err
		}
		rows, err := r.RowsAffected()
		n = int(rows)
		return err
	})
	return n, err
}

// touch runs a statement for every use, in one transaction.
func (s *Store) touch(ctx context.Context, query string, uses []store.Use) error {
	if len(uses) == 0 {
		return nil
	}
	return s.change(ctx, "touch", func(tx *sql.Tx) error {
		touch, err := tx.PrepareContext(ctx, query)
		if err != nil {
			return err
		}
		defer touch.Close()
		for _, u := range uses {
			if _, err := touch.ExecContext(ctx, u.ID, micros(u.At)); err != nil {
				return err
			}
		}
		return nil
	})
}

// answer returns the error of package store for an error of SQLite.
func answer(what string, err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return store.ErrNotFound
	}
	if e := (*sqlite.Error)(nil); errors.As(err, &e) {
		switch e.Code() {
		case uniqueViolation, primaryKeyViolation:
			return store.ErrConflict
		case foreignKeyViolation: // the account of a key, the user of a membership
			return store.ErrNotFound
		}
	}
	if sqlkit.IsAnswer(err) {
		return err
	}
	return fmt.Errorf("sqlitestore: %s: %w", what, err)
}

// Extended result codes, https://sqlite.org/rescode.html.
const (
	foreignKeyViolation = 787
	primaryKeyViolation = 1555
	uniqueViolation     = 2067
)

// some returns ErrNotFound if a statement has changed no row.
func some(r sql.Result, err error) error {
	if err != nil {
		return err
	}
	if n, err := r.RowsAffected(); err != nil || n == 0 {
		return cmp.Or(err, store.ErrNotFound)
	}
	return nil
}

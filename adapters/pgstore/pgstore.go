// Package pgstore keeps keys, accounts and people in Postgres, with pgx.
//
// Several processes on several machines may share the database. Each hears of the
// changes of the others, and of changes made by hand with psql, as soon as they are
// committed (LISTEN and NOTIFY). A call returns after its change is committed. Postgres
// loses no commit while its settings fsync and synchronous_commit are on, which is the
// default.
//
// # Poolers
//
// Behind PgBouncer in transaction mode, set default_query_exec_mode=exec in
// [Config].URL or in the configuration of the pool. This is not necessary if PgBouncer
// keeps prepared statements (max_prepared_statements, since version 1.21). Watch needs
// connections that nobody else uses: set [Config].Listen to one that goes straight to
// Postgres.
package pgstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/guard"
)

// Config says where the database is. It needs a URL or a Pool.
type Config struct {
	// URL is read by [pgxpool.ParseConfig]: postgres://… with settings such as
	// pool_max_conns, or words such as host=…. What is missing in it comes from the
	// environment (PGHOST, PGPASSWORD …). If it names several hosts, the primary is
	// used, because a standby may be behind.
	URL string
	// Pool is used instead of a new pool for URL. The caller closes it. Its
	// connections must go to the primary.
	Pool *pgxpool.Pool

	Schema string // of the tables; any name. Default: "tollgate"

	// Listen makes the two connections that Watch keeps. They must go straight to
	// Postgres, or through a pooler in session mode. Default: like those of the pool.
	Listen *pgx.ConnConfig
	// Heartbeat is how often Watch proves that it still hears of changes. Watch ends
	// if a heartbeat is not heard within the time of ten. Default: one second.
	Heartbeat time.Duration
}

// A Store keeps keys, accounts and people in Postgres. It is safe for
// concurrent use.
type Store struct {
	pool *pool
	own  bool // Close closes the pool
	conn      // statements on the pool

	listen      *pgx.ConnConfig
	elsewhere   bool                                         // listen is not the configuration of the pool
	before      func(context.Context, *pgx.ConnConfig) error // prepares each of these connections; may be nil
	heartbeat   time.Duration
	beatTimeout time.Duration // how long a heartbeat may take to come back
}

var _ store.Store = (*Store)(nil)

// Open connects to the database, and checks that it can store the records and has the
// schema of this release. If it has another one, Open returns [ErrOlder] or [ErrNewer].
// It does not migrate; see [Migrate]. It also opens a database that is read-only; see
// [Store.Ready].
func Open(ctx context.Context, c Config) (*Store, error) {
	s, err := connect(c)
	if err != nil {
		return nil, err
	}
	if err := s.check(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// connect makes a store that has no connection yet.
func connect(c Config) (*Store, error) {
	config, err := c.check()
	if err != nil {
		return nil, err
	}
	s := &Store{
		pool: &pool{Pool: c.Pool}, listen: cmp.Or(c.Listen, config.ConnConfig), elsewhere: c.Listen != nil, before: config.BeforeConnect,
		heartbeat: cmp.Or(c.Heartbeat, time.Second),
	}
	s.beatTimeout = missedBeats * s.heartbeat
	if c.Pool == nil {
		s.own = true
		if s.pool.Pool, err = pgxpool.NewWithConfig(context.Background(), config); err != nil {
			return nil, fmt.Errorf("pgstore: %w", err)
		}
	}
	s.conn = conn{s.pool, newSchema(c.Schema), s.pool}
	return s, nil
}

// check returns the configuration of the pool, or an error with all mistakes in c.
func (c Config) check() (config *pgxpool.Config, err error) {
	var errs []error
	switch {
	case c.Pool != nil && c.URL != "":
		errs = append(errs, errors.New("pgstore: both URL and Pool are set"))
	case c.Pool != nil:
		config = c.Pool.Config()
	case c.URL == "":
		errs = append(errs, errors.New("pgstore: URL and Pool are both empty"))
	default:
		if config, err = pgxpool.ParseConfig(c.URL); err != nil {
			errs = append(errs, fmt.Errorf("pgstore: URL: %w", err))
			break
		}
		config.ConnConfig.RuntimeParams["client_encoding"] = "UTF8"
		config.ConnConfig.RuntimeParams["datestyle"] = "ISO"
		if config.ConnConfig.ValidateConnect == nil {
			config.ConnConfig.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsPrimary
		}
	}
	if err := checkSchema(c.Schema); err != nil {
		errs = append(errs, err)
	}
	if c.Heartbeat < 0 {
		errs = append(errs, fmt.Errorf("pgstore: Heartbeat is %v, want more than 0", c.Heartbeat))
	}
	return config, errors.Join(errs...)
}

// Ready returns nil if the store can work now: the database answers, is the primary, has
// the schema of this release, and has committed a write, which leaves its row as it is.
// Otherwise it returns the reason.
func (s *Store) Ready(ctx context.Context) error {
	if err := s.check(ctx); err != nil {
		return err
	}
	const write = `UPDATE tollgate.migrations SET since = since WHERE version = 1`
	err := s.run(ctx, true, func(q querier) error { // a second run does no harm
		_, err := q.Exec(ctx, s.schema.in(write))
		return err
	})
	if err != nil {
		return fmt.Errorf("pgstore: the database takes no writes: %w", err)
	}
	return nil
}

// check is Ready without the write. A database that is read-only for a while can be
// opened, because it can be read.
func (s *Store) check(ctx context.Context) error {
	var server, client, dates, isolation string
	var standby bool
	err := s.row(ctx, `SELECT current_setting('server_encoding'), current_setting('client_encoding'), current_setting('datestyle'),
		current_setting('transaction_isolation'), pg_is_in_recovery()`).Scan(&server, &client, &dates, &isolation, &standby)
	switch {
	case err != nil:
		return fmt.Errorf("pgstore: %w", err)
	case standby:
		return errors.New("pgstore: the database is a standby, which may be behind: connect to the primary (target_session_attrs=primary)")
	case server != "UTF8" || client != "UTF8":
		return fmt.Errorf("pgstore: the encoding of the database is %s and that of the connection %s, want UTF8 for both", server, client)
	case !strings.HasPrefix(dates, "ISO"):
		return fmt.Errorf("pgstore: dates are written as %q, want ISO (datestyle)", dates)
	case isolation != "read committed":
		return fmt.Errorf("pgstore: transactions are %q, want \"read committed\" (default_transaction_isolation)", isolation)
	}
	tables := s.schema.tables()
	at, err := tables.Version(ctx, handle{s.conn})
	switch {
	case err != nil:
		return fmt.Errorf("pgstore: %w", err)
	case at < tables.Newest():
		return fmt.Errorf("%w: schema %s has version %d and this release needs %d: run Migrate", ErrOlder, s.schema.quoted, at, tables.Newest())
	}
	return nil
}

// Close waits for calls that have not returned, and closes the connections that are not
// in [Config].Pool. End the watches first. It implements io.Closer and returns no error.
func (s *Store) Close() error {
	if s.own {
		s.pool.Close()
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

package pgtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// ourselves is the application name of the connections of this package.
const ourselves = "pgtest"

// left lists what tests have left behind, one line for each.
const left = `
	SELECT format('a connection (%s), last query: %s', state, query) FROM pg_stat_activity
		WHERE backend_type = 'client backend' AND application_name <> '` + ourselves + `'
	UNION ALL SELECT format('an advisory lock of process %s', pid) FROM pg_locks WHERE locktype = 'advisory'
	UNION ALL SELECT format('a prepared transaction %s', gid) FROM pg_prepared_xacts
	UNION ALL SELECT format('the schema %s', nspname) FROM pg_namespace
		WHERE nspname <> ALL ($1) AND nspname NOT LIKE 'pg\_%'
	ORDER BY 1`

// Leaks returns an error that names every connection, lock and schema that the
// tests have left behind. Connections may take a moment to close.
func (s *Server) Leaks() error {
	ctx, cancel := context.WithTimeout(context.Background(), serverTimeout)
	defer cancel()
	c, err := s.connect(ctx)
	if err != nil {
		return fmt.Errorf("pgtest: %w", err)
	}
	defer c.Close(ctx)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	late := time.After(s.closeTimeout)
	for {
		rows, _ := c.Query(ctx, left, s.schemas)
		found, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return fmt.Errorf("pgtest: %w", err)
		}
		if len(found) == 0 {
			return nil
		}
		select {
		case <-tick.C:
		case <-late:
			var errs []error
			for _, what := range slices.Compact(found) {
				errs = append(errs, fmt.Errorf("pgtest: left behind: %s", what))
			}
			return errors.Join(errs...)
		}
	}
}

// present returns the names of all schemas.
func (s *Server) present() ([]string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), serverTimeout)
	defer cancel()
	c, err := s.connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("pgtest: %w", err)
	}
	defer c.Close(ctx)
	rows, _ := c.Query(ctx, `SELECT nspname::text FROM pg_namespace`)
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("pgtest: %w", err)
	}
	return names, nil
}

package sqlitestore

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"time"

	"medtwin.ai/tollgate/store"
)

// newChanges returns the changes after the given number, and in each row the newest
// number. It returns one row if there is no change. It is one statement, so that all its
// rows are of one instant.
const newChanges = `SELECT n.seq, coalesce(c.seq, 0), coalesce(c.id, '')
	FROM (SELECT coalesce(max(seq), 0) AS seq FROM sqlite_sequence WHERE name = 'changes') n
	LEFT JOIN changes c ON c.seq > ? ORDER BY c.seq`

// Watch reports changes to w until ctx ends, whether this store, another process or SQL
// by hand has made them. It reports the changes of this store at once, and others at the
// next poll. It returns an error if it cannot go on; the next Watch begins with Gap.
func (s *Store) Watch(ctx context.Context, w store.Watcher) error {
	err := s.watch(ctx, w)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("sqlitestore: watch: %w", err)
}

func (s *Store) watch(ctx context.Context, w store.Watcher) error {
	// A connection of its own, because data_version counts the commits of other ones.
	db, err := connect(s.path, reader, 1)
	if err != nil {
		return err
	}
	defer db.Close()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()

	wake := make(chan struct{}, 1)
	s.waking(wake, true)
	defer s.waking(wake, false)

	f := feed{conn: conn, last: math.MaxInt64} // the first read returns only the newest number
	began := time.Now()
	if _, err := f.stale(ctx); err != nil {
		return err
	}
	if _, _, err := f.read(ctx); err != nil {
		return err
	}
	w.Gap()
	w.Alive(began)

	tick := time.NewTicker(s.poll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		case <-wake:
		}
		began := time.Now()
		stale, err := f.stale(ctx)
		if err != nil {
			return err
		}
		if stale {
			ids, gap, err := f.read(ctx)
			if err != nil {
				return err
			}
			if gap {
				w.Gap()
			}
			for _, id := range ids {
				w.Forget(id)
			}
		}
		w.Alive(began)
	}
}

// A feed reads the table of changes.
type feed struct {
	conn    *sql.Conn
	version int64 // the data_version that was read last
	last    int64 // the number of the last change that was read
}

// stale reports whether anything was committed since the last call. It takes a few
// microseconds.
func (f *feed) stale(ctx context.Context) (bool, error) {
	old := f.version
	err := f.conn.QueryRowContext(ctx, `PRAGMA data_version`).Scan(&f.version)
	return f.version != old, err
}

// read returns the ids of the changes since the last call. gap says that some are missing,
// because they were pruned or a backup was restored.
func (f *feed) read(ctx context.Context) (ids []string, gap bool, err error) {
	rows, err := f.conn.QueryContext(ctx, newChanges, f.last)
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	var newest int64
	for rows.Next() {
		var seq int64
		var id string
		if err := rows.Scan(&newest, &seq, &id); err != nil {
			return nil, false, err
		}
		if seq != 0 {
			ids = append(ids, id)
		}
	}
	gap = int64(len(ids)) != newest-f.last
	f.last = newest
	return ids, gap, rows.Err()
}

// waking adds the channel of a watch to those that a change of this store wakes, or
// removes it.
func (s *Store) waking(c chan struct{}, on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if on {
		s.wakes[c] = true
	} else {
		delete(s.wakes, c)
	}
}

func (s *Store) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.wakes {
		select {
		case c <- struct{}{}:
		default: // it is awake already
		}
	}
}

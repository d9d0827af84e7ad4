//go:build unix

package sqlitestore

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

// Ready tells of a file that takes no writes for as long as it does not, and
// leaves nothing behind. case T9
func TestReady(t *testing.T) {
	pragma := func(sql string) func(*testing.T, *Store) {
		return func(t *testing.T, s *Store) {
			if _, err := s.write.Exec(sql); err != nil {
				t.Fatal(err)
			}
		}
	}
	tests := []struct {
		name        string
		begin, mend func(*testing.T, *Store)
	}{
		{"read-only", pragma(`PRAGMA query_only = 1`), pragma(`PRAGMA query_only = 0`)},
		{"no page left", pragma(`PRAGMA max_page_count = 1`), pragma(`PRAGMA max_page_count = 1000000`)},
		{"full disk", func(t *testing.T, s *Store) { largest(t, size(t, s.path)) }, func(t *testing.T, _ *Store) { largest(t, -1) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := Open(Config{Path: filepath.Join(t.TempDir(), "db")})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			for range 3 {
				if err := s.Ready(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			tt.begin(t, s)
			var failed error
			for n := range 1000 { // what room there is is taken first
				if failed = s.Events().Append(t.Context(), store.Event{ID: fmt.Sprintf("evt_%d", n), Note: strings.Repeat("x", 5000)}); failed != nil {
					break
				}
			}
			if failed == nil {
				t.Error("it takes writes all the same")
			}
			for range 2 {
				if err := s.Ready(t.Context()); err == nil {
					t.Error("it is ready")
				}
			}
			if _, err := s.Accounts().List(t.Context(), "", 1); err != nil {
				t.Errorf("a read: %v", err)
			}
			tt.mend(t, s)
			if err := s.Ready(t.Context()); err != nil {
				t.Errorf("mended: %v", err)
			}
			if err := s.Accounts().Create(t.Context(), store.Account{ID: "acct_1", Status: authz.Active}); err != nil {
				t.Errorf("mended, a write: %v", err)
			}
			var left int
			if err := s.read.QueryRow(`SELECT count(*) FROM events WHERE id = 'evt_ready'`).Scan(&left); err != nil || left != 0 {
				t.Errorf("%d rows are left, error %v", left, err)
			}
		})
	}
}

func size(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// largest has this process write no file beyond a size: as where the disk is
// full. -1 is no bound.
func largest(t *testing.T, size int64) {
	t.Helper()
	signal.Ignore(syscall.SIGXFSZ)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	limit.Cur = limit.Max
	if size >= 0 {
		limit.Cur = uint64(size)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
}

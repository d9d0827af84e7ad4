package sqlitestore

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"medtwin.ai/tollgate/store/storetest"
)

// open opens the database in dir and closes it when the test ends.
func open(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(Config{Path: path, Poll: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func file(t testing.TB) string { return filepath.Join(t.TempDir(), "tollgate.db") }

// The suite covers, on this backend, case A8, case K6, case K8, case K11, case
// K12, case K16, case K18, case K20, case K21, case K22, case S7, case S9, case
// S11 and case S23, as far as they are the store's.
func TestStore(t *testing.T) {
	// Making the schema takes longer than most checks, so it is made once.
	made := file(t)
	if err := Migrate(t.Context(), made, newest()); err != nil {
		t.Fatal(err)
	}
	empty, err := os.ReadFile(made)
	if err != nil {
		t.Fatal(err)
	}
	storetest.Run(t, func(t *testing.T) storetest.Backend {
		path := file(t)
		if err := os.WriteFile(path, empty, 0o600); err != nil {
			t.Fatal(err)
		}
		return storetest.Pair(open(t, path), open(t, path))
	})
}

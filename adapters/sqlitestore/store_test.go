package sqlitestore

import (
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

// The suite covers, on this backend, case K8, case K11, case K12, case K20
// and case K22.
func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Backend { return open(t, file(t)) })
}

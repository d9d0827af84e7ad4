package sqlitestore

import (
	"testing"

	"medtwin.ai/tollgate/authn/authntest"
	"medtwin.ai/tollgate/store/storetest"
)

// Nodes that have opened the same file, each for itself.
// The suite covers, on this backend, case K8, case K9, case K10, case K11, case
// K12, case S7, case S9, case S11 and case T8; case T8 of a process that is
// killed is TestKill.
func TestManagers(t *testing.T) {
	authntest.Run(t, func(t *testing.T) func() storetest.Backend {
		path := file(t)
		if err := Migrate(t.Context(), path, newest()); err != nil {
			t.Fatal(err)
		}
		return func() storetest.Backend { return open(t, path) }
	})
}

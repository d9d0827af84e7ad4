package pgstore

import (
	"testing"

	"medtwin.ai/tollgate/authn/authntest"
	"medtwin.ai/tollgate/store/storetest"
)

// Nodes that have opened the same schema, each for itself.
// The suite covers, on this backend, case K8, case K9, case K10, case K11, case
// K12, case S7, case S9, case S11 and case T8; case T8 of a server that is
// killed is in fault_test.go.
func TestManagers(t *testing.T) {
	authntest.Run(t, func(t *testing.T) func() storetest.Backend {
		c := config(t)
		return func() storetest.Backend { return open(t, c) }
	})
}

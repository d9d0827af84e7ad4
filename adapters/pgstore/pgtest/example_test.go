package pgtest_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"medtwin.ai/tollgate/adapters/pgstore/pgtest"
)

// A test with a Postgres of its own, on a free port of this machine.
func ExampleStart() {
	testPostgres := func(t *testing.T) {
		server, err := pgtest.Start(pgtest.Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		conn, err := pgx.Connect(t.Context(), server.URL())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
	}
	_ = testPostgres
}

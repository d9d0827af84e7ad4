package authntest_test

import (
	"testing"

	"medtwin.ai/tollgate/authn/authntest"
	"medtwin.ai/tollgate/store/memory"
	"medtwin.ai/tollgate/store/storetest"
)

// The test that revocations of keys and sessions reach all processes over a backend. Each
// call of the inner function opens the same database once more.
func ExampleRun() {
	testFleet := func(t *testing.T) { // TestFleet
		authntest.Run(t, func(t *testing.T) func() storetest.Backend {
			db, err := memory.New(memory.Config{}) // yours, empty
			if err != nil {
				t.Fatal(err)
			}
			return func() storetest.Backend { return db }
		})
	}
	_ = testFleet
}

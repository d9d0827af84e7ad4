package storetest_test

import (
	"testing"

	"medtwin.ai/tollgate/store/memory"
	"medtwin.ai/tollgate/store/storetest"
)

// The test of a backend. A failure names the rule of package store that is broken.
func ExampleRun() {
	testStore := func(t *testing.T) { // TestStore
		storetest.Run(t, func(t *testing.T) storetest.Backend {
			db, err := memory.New(memory.Config{}) // yours, empty
			if err != nil {
				t.Fatal(err)
			}
			return db
		})
	}
	_ = testStore
}

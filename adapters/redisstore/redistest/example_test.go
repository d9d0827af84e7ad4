package redistest_test

import (
	"testing"

	"medtwin.ai/tollgate/adapters/redisstore/redistest"
)

// A test with a Redis of its own, on a free port of this machine.
func ExampleStart() {
	testRedis := func(t *testing.T) {
		server, err := redistest.Start(redistest.Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		if err := server.Client(t).Ping(t.Context()).Err(); err != nil {
			t.Error(err)
		}
	}
	_ = testRedis
}

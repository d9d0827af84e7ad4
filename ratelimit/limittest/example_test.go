package limittest_test

import (
	"testing"

	"medtwin.ai/tollgate/ratelimit"
	"medtwin.ai/tollgate/ratelimit/limittest"
)

// The test of a store of limits. A failure names the rule of ratelimit.Store that is
// broken.
func ExampleRun() {
	testLimits := func(t *testing.T) { // TestLimits
		limittest.Run(t, func(t *testing.T) ratelimit.Store {
			return ratelimit.NewMemory(0) // yours, empty
		})
	}
	_ = testLimits
}

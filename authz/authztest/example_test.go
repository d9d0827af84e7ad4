package authztest_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/authz/authztest"
)

// What every route requires is in a file that a reviewer reads: the test fails if a need
// changes, and AUTHZTEST_UPDATE=1 writes the file anew.
func ExampleGolden() {
	var routes []authz.Route // gate.Table()
	testRoutes := func(t *testing.T) { authztest.Golden(t, routes, "testdata/routes.golden") }
	_ = testRoutes
}

// All tests of an API go through a tripwire, which fails those in which a handler answers
// without the check that its need names in CheckedByHandler.
func ExampleTripwire() {
	var gate http.Handler // yours
	testList := func(t *testing.T) {
		rec := httptest.NewRecorder()
		authztest.Tripwire(t, gate).ServeHTTP(rec, httptest.NewRequest("GET", "/v1/projects", nil))
		if rec.Code != http.StatusOK {
			t.Errorf("got %d", rec.Code)
		}
	}
	_ = testList
}

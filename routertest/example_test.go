package routertest_test

import (
	"net/http"
	"testing"

	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/routertest"
)

// The test of an adapter: here for http.ServeMux, whose routes it registers at the start.
func ExampleRun() {
	testBehaviour := func(t *testing.T) { // TestBehaviour
		routertest.Run(t, func(gate *tollgate.Gate) routertest.Router { return &adapter{gate: gate} })
	}
	_ = testBehaviour
}

type adapter struct{ gate *tollgate.Gate }

func (a *adapter) Handle(method, pattern string, need authz.Need, h routertest.Handler) {
	a.gate.Handle(method+" "+pattern, need, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h(w, r, r.PathValue) }))
}

func (a *adapter) Add(method, pattern string, h routertest.Handler) {}

func (a *adapter) Public(method, pattern, reason string) {}

func (a *adapter) Start() (http.Handler, error) { return a.gate, nil }

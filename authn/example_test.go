package authn_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"medtwin.ai/tollgate/authn"
)

// A handler is tested without the chain: the test says who is calling.
func ExampleNewContext() {
	hello := func(w http.ResponseWriter, r *http.Request) {
		caller, _ := authn.FromContext(r.Context())
		fmt.Fprintf(w, "hello, %s of %s", caller.ID, caller.Account)
	}
	r := httptest.NewRequest("GET", "/hello", nil)
	r = r.WithContext(authn.NewContext(r.Context(), authn.Principal{ID: "key_1", Account: "acme"}))
	rec := httptest.NewRecorder()
	hello(rec, r)
	fmt.Println(rec.Body)
	// Output: hello, key_1 of acme
}

package problem_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"medtwin.ai/tollgate/problem"
)

// An answer in the form of RFC 9457. Its request id differs each time.
func ExampleWrite() {
	rec := httptest.NewRecorder()
	problem.Write(rec, httptest.NewRequest("GET", "/v1/reports", nil), problem.Problem{
		Status: http.StatusServiceUnavailable, Code: "reports_rebuilt", Detail: "The reports are being rebuilt: try again.", Retry: time.Minute,
	})
	fmt.Println(rec.Code, rec.Header().Get("Content-Type"), rec.Header().Get("Retry-After"))
	// Output: 503 application/problem+json 60
}

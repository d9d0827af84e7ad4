package problem

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"medtwin.ai/tollgate/internal/request"
)

// Accepted reports whether the Accept header of r asks for the form of RFC
// 9457: whether it names application/problem+json with a weight above 0. A
// [Writer] with another form calls it, and leaves such requests to [Write].
func Accepted(r *http.Request) bool {
	return slices.ContainsFunc(r.Header["Accept"], acceptsProblem)
}

// acceptsProblem reports whether an Accept header (RFC 9110 §12.5.1) names
// application/problem+json itself with a weight above 0. Wildcards do not
// count: most clients send them, and do not mean this form.
func acceptsProblem(accept string) bool {
	for item := range strings.SplitSeq(accept, ",") {
		media, params, _ := strings.Cut(item, ";")
		if request.Lower(request.Trim(media)) == mediaType && weighs(params) {
			return true
		}
	}
	return false
}

// weighs reports whether the parameters of a media range have no weight, or one
// above 0 (RFC 9110 §12.4.2).
func weighs(params string) bool {
	for param := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(request.Trim(param), "=")
		if request.Lower(name) == "q" {
			q, err := strconv.ParseFloat(value, 64)
			return err == nil && 0 < q && q <= 1 && strings.Trim(value, "0123456789.") == ""
		}
	}
	return true
}

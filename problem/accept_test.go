package problem

import (
	"net/http/httptest"
	"testing"

	"medtwin.ai/tollgate/internal/request"
)

func TestAccept(t *testing.T) {
	const media = "application/problem+json"
	for _, c := range []struct {
		accept []string
		want   string // the Content-Type
	}{
		{nil, "application/json"},
		{[]string{""}, "application/json"},
		{[]string{"*/*"}, "application/json"},
		{[]string{"application/*"}, "application/json"},
		{[]string{"application/json"}, "application/json"},
		{[]string{media}, media},
		{[]string{"Application/Problem+JSON"}, media},
		{[]string{"text/html, " + media + ", */*;q=0.1"}, media},
		{[]string{"text/html," + media}, media},
		{[]string{"text/html", media}, media},
		{[]string{media + ";q=0.001"}, media},
		{[]string{media + " ; charset=utf-8 ; Q=1"}, media},
		{[]string{media + ";q=0"}, "application/json"},
		{[]string{media + "; q=0.000"}, "application/json"},
		{[]string{media + ";charset=utf-8;q=0, */*"}, "application/json"},
		{[]string{media + ";q="}, "application/json"},
		{[]string{media + ";q=-1"}, "application/json"},
		{[]string{media + ";q=2"}, "application/json"},
		{[]string{media + ";q=1e-1"}, "application/json"},
		{[]string{media + ";q=NaN"}, "application/json"},
		{[]string{"\u2000" + media}, "application/json"}, // case S27
		{[]string{"application/problem+j\u017fon"}, "application/json"},
		{[]string{media + ";\u2000q=0"}, media}, // another parameter
		{[]string{"x" + media}, "application/json"},
		{[]string{media + "x"}, "application/json"},
		{[]string{"application/problem+xml"}, "application/json"},
		{[]string{"text/html;x=" + media}, "application/json"},
	} {
		for _, f := range []Format{Nested, Flat} {
			r, s := request.Ensure(httptest.NewRequest("GET", "/", nil), nil)
			s.Format = uint8(f)
			r.Header["Accept"] = c.accept
			w := httptest.NewRecorder()
			Write(w, r, Problem{Status: 404})
			if got := w.Header().Get("Content-Type"); got != c.want {
				t.Errorf("Accept %q on a %s route: %s, want %s", c.accept, f, got, c.want)
			}
		}
	}
}

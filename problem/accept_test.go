package problem

import (
	"net/http/httptest"
	"testing"
)

func TestAccepted(t *testing.T) {
	const media = "application/problem+json"
	for _, c := range []struct {
		accept []string
		want   bool
	}{
		{nil, false},
		{[]string{""}, false},
		{[]string{"*/*"}, false},
		{[]string{"application/*"}, false},
		{[]string{"application/json"}, false},
		{[]string{media}, true},
		{[]string{"Application/Problem+JSON"}, true},
		{[]string{"text/html, " + media + ", */*;q=0.1"}, true},
		{[]string{"text/html," + media}, true},
		{[]string{"text/html", media}, true},
		{[]string{media + ";q=0.001"}, true},
		{[]string{media + " ; charset=utf-8 ; Q=1"}, true},
		{[]string{media + ";q=0"}, false},
		{[]string{media + "; q=0.000"}, false},
		{[]string{media + ";charset=utf-8;q=0, */*"}, false},
		{[]string{media + ";q="}, false},
		{[]string{media + ";q=-1"}, false},
		{[]string{media + ";q=2"}, false},
		{[]string{media + ";q=1e-1"}, false},
		{[]string{media + ";q=NaN"}, false},
		{[]string{"\u2000" + media}, false}, // case S27
		{[]string{"application/problem+j\u017fon"}, false},
		{[]string{media + ";\u2000q=0"}, true}, // another parameter
		{[]string{"x" + media}, false},
		{[]string{media + "x"}, false},
		{[]string{"application/problem+xml"}, false},
		{[]string{"text/html;x=" + media}, false},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header["Accept"] = c.accept
		if got := Accepted(r); got != c.want {
			t.Errorf("Accept %q: %v, want %v", c.accept, got, c.want)
		}
	}
}

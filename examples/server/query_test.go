package main

import (
	"io"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// case T10: a query says what it seems to say, or is refused with the name of
// the parameter.
func TestCheckQuery(t *testing.T) {
	const (
		percent   = `: after "%" expected two hexadecimal digits; write a percent sign as %25.`
		semicolon = `: write a semicolon as %3B, and "&" between parameters.`
		empty     = ": the value is empty; give one, or leave the parameter out."
		twice     = ": the parameter is there twice; send it once."
		unknown   = ": there is no such query parameter here; expected owner, reason or after."
		odd       = "(a name of other characters, or too long)"
	)
	for _, c := range []struct{ query, want string }{
		{"", ""},
		{"owner=me", ""},
		{"%6fwner=m%65&after=&reason=", ""},
		{"reason=a+b%3Bc%25d%26e", ""},
		{"owner=me&", ""},

		{"reason=left;fired", "invalid_parameter: reason" + semicolon},
		{"owner=me;x", "invalid_parameter: owner" + semicolon},
		{"reason=100%", "invalid_parameter: reason" + percent},
		{"after=%zz", "invalid_parameter: after" + percent},
		{"after=%00", "invalid_parameter: after: expected text in UTF-8."},
		{"after=%ff", "invalid_parameter: after: expected text in UTF-8."},
		{"owner=me&owner=me", "invalid_parameter: owner" + twice},
		{"after=&%61fter=x", "invalid_parameter: after" + twice},
		{"owner=", "invalid_parameter: owner" + empty},
		{"owner", "invalid_parameter: owner" + empty},

		{"ower=me", "unknown_parameter: ower" + unknown},
		{"Owner=me", "unknown_parameter: Owner" + unknown},
		{"owner%00=me", "unknown_parameter: " + odd + unknown},
		{"own%er=me", "unknown_parameter: " + odd + unknown},
		{"x;owner=me", "unknown_parameter: " + odd + unknown},
		{"=me", "unknown_parameter: " + odd + unknown},
		{"mt_live_aaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "unknown_parameter: " + odd + unknown},
	} {
		t.Run(c.query, func(t *testing.T) {
			got := ""
			if err := checkQuery(c.query, []string{"owner", "reason", "after"}); err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

// case T10: no route passes over a parameter, be it one that takes none.
func TestQueriesOfAllRoutes(t *testing.T) {
	d := newDesk(t)
	_, owner := d.joins("acct_1", roleOwner)
	if err := d.ensureOperators(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, operator := d.joins(operators, roleOperator)
	var patterns []string
	for _, rt := range d.gate.Table() {
		patterns = append(patterns, rt.Pattern)
		method, path, _ := strings.Cut(rt.Pattern, " ")
		path = strings.NewReplacer("{id}", d.projects[0], "{project}", d.projects[0], "{user}", "user_1", "{type}", "report").Replace(path)
		auth := owner
		if rt.Need.Permission == operate {
			auth = operator
		}
		for _, c := range []struct{ query, code string }{
			{"verbose=1", "unknown_parameter"}, {"verbose=%zz", "unknown_parameter"}, {"limit=%zz", "_parameter"}, {"limit=5&limit=6", "_parameter"},
		} {
			t.Run(rt.Pattern+"?"+c.query, func(t *testing.T) {
				d.now = d.now.Add(time.Second) // 60 a minute
				a := d.do(method, path+"?"+c.query, auth, "")
				name, _, _ := strings.Cut(c.query, "=")
				if a.status != 400 || !strings.Contains(strings.ToLower(a.body), c.code) || !strings.Contains(a.body, name+": ") {
					t.Errorf("got %d %s, want 400 %s that names %s", a.status, a.body, c.code, name)
				}
			})
		}
	}
	for pattern := range queries {
		if !slices.Contains(patterns, pattern) {
			t.Errorf("queries has %q, which is no route", pattern)
		}
	}
}

// A request has a body if there is a byte of it, however its length is told.
func TestOptionalBody(t *testing.T) {
	d := newDesk(t)
	_, owner := d.joins("acct_1", roleOwner)
	for _, c := range []struct {
		name, body string
		length     int64
		media      string
		status     int
	}{
		{"none", "", 0, "", 201},
		{"none, with a type", "", 0, "application/json", 201},
		{"empty chunks", "", -1, "", 201},
		{"empty chunks with a type", "", -1, "text/plain", 201},
		{"chunks", `{"grace_seconds":0}`, -1, "application/json", 201},
		{"chunks of another type", `{"grace_seconds":0}`, -1, "text/plain", 415},
		{"chunks of nonsense", `{"grace_seconds":`, -1, "application/json", 400},
		{"an unknown field", `{"grace":0}`, 11, "application/json", 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			key := d.makes(owner, seedCreate)
			r := httptest.NewRequest("POST", "/v1/api-keys/"+key.ID+"/rotate", struct{ io.Reader }{strings.NewReader(c.body)})
			r.ContentLength = c.length
			r.Header.Set("Authorization", owner)
			if c.media != "" {
				r.Header.Set("Content-Type", c.media)
			}
			w := httptest.NewRecorder()
			d.handler.ServeHTTP(w, r)
			if w.Code != c.status {
				t.Errorf("got %d %s, want %d", w.Code, w.Body, c.status)
			}
		})
	}
}

// What is accepted means to package url what it means to checkQuery.
func FuzzCheckQuery(f *testing.F) {
	for _, query := range []string{"", "owner=me&after=x", "reason=left;fired", "after=%zz", "a=1&a=2", "owner", "reason=a+b%3B", "&&", "=", "%6fwner=me"} {
		f.Add(query)
	}
	known := []string{"owner", "after", "reason"}
	f.Fuzz(func(t *testing.T, query string) {
		if checkQuery(query, known) != nil {
			return
		}
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatalf("%q is accepted, but %v", query, err)
		}
		for name, all := range values {
			if !slices.Contains(known, name) || len(all) != 1 {
				t.Errorf("%q is accepted with %q: %q", query, name, all)
			}
		}
	})
}

package tollgate_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/problem"
)

// A refused is a request and what becomes of it, in the order in which they are
// sent.
type refused struct {
	name         string
	h            http.Handler
	method, path string
	key          string
	status       int
	code         string
}

// everyRefusal is one of each kind that the parts of a chain write.
func everyRefusal(t *testing.T, log *slog.Logger, errors problem.Writer) (*chain, []refused) {
	t.Helper()
	chain := newChain(t, "2-M", func(c *tollgate.Config) {
		c.Errors = errors
		if log != nil {
			c.Logger = log
		}
	})
	_, reads := chain.issue("read")
	gone, revoked := chain.issue("read")
	if err := chain.gate.Keys().Revoke(t.Context(), operator, gone.ID, "", chain.now); err != nil {
		t.Fatal(err)
	}
	auth := must(authn.New(authn.Config{
		Authenticators: []authn.Authenticator{chain.gate.Keys()}, Errors: errors, Logger: log, Now: func() time.Time { return chain.now },
	}))
	protected := http.NewServeMux()
	guard := authz.Guard{Model: chain.gate.Model(), Errors: errors, Logger: log}
	need := authz.Need{ID: "p", Permission: "write", From: map[string]string{"projects": "id"}}
	protected.Handle("/p/{id}", auth.Wrap(guard.Protect(need, http.NotFoundHandler())))
	misspelt := http.NewServeMux()
	misspelt.Handle("/p/{project}", auth.Wrap(guard.Protect(need, http.NotFoundHandler())))
	need.ID, need.Permission = "r", "read"
	protected.Handle("/r/{id}", auth.Wrap(guard.Protect(need, http.NotFoundHandler())))
	alone := guard.Protect(authz.Need{ID: "a", Permission: "read"}, http.NotFoundHandler())
	all := []refused{
		{"no route", chain.gate, "GET", "/nothing", reads, 404, "not_found"},
		{"no such method", chain.gate, "PUT", "/whoami", reads, 405, "method_not_allowed"},
		{"no id", chain.gate, "GET", "/projects/a%2Fb", reads, 404, "not_found"},
		{"no credential", chain.gate, "GET", "/projects/p1", "", 401, "unauthorized"},
		{"revoked", chain.gate, "GET", "/projects/p1", revoked, 401, "revoked"},
		{"denied", chain.gate, "DELETE", "/projects/p1", reads, 403, "missing_permission"},
		{"out of scope", chain.gate, "GET", "/projects/p2", reads, 403, "out_of_scope"},
		{"denied by Protect", protected, "POST", "/p/p1", reads, 403, "missing_permission"},
		{"no id before Protect", protected, "POST", "/p/a%2Fb", reads, 404, "not_found"},
		{"passes", chain.gate, "GET", "/projects/p1", reads, 200, ""},
		{"passes again", chain.gate, "GET", "/projects/p1", reads, 200, ""},
		{"over the limit", chain.gate, "GET", "/projects/p1", reads, 429, "rate_limit_exceeded"},
		{"misdeclared", misspelt, "POST", "/p/p1", reads, 500, "internal_error"},
		{"no such method before Protect", protected, "POST", "/r/p1", reads, 405, "method_not_allowed"},
		{"without authentication", alone, "GET", "/", reads, 500, "internal_error"},
	}
	for range 19 { // one has failed above
		all = append(all, refused{"malformed", chain.gate, "GET", "/projects/p1", "mt_live_x", 401, "unauthorized"})
	}
	return chain, append(all, refused{"too many failures", chain.gate, "GET", "/projects/p1", "mt_live_x", 429, "too_many_failures"})
}

// Every refusal is one line in a log at debug level, to be found by the request
// id that the client was shown, whether or not something made an id for the
// request before.
func TestRefusalsAreLogged(t *testing.T) {
	for _, c := range []struct {
		name string
		wrap func(http.Handler) http.Handler
	}{
		{"ids made in front", problem.RequestIDs},
		{"ids made when refused", func(h http.Handler) http.Handler { return h }},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log bytes.Buffer
			chain, all := everyRefusal(t, slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})), nil)
			for _, tt := range all {
				log.Reset()
				rec := chain.do(c.wrap(tt.h), tt.method, tt.path, tt.key)
				if rec.Code != tt.status {
					t.Fatalf("%s: %d %s, want %d", tt.name, rec.Code, rec.Body, tt.status)
				}
				var found int
				for line := range bytes.Lines(log.Bytes()) {
					var l struct {
						Code, Msg string
						Status    int
						ID        string `json:"request_id"`
					}
					if err := json.Unmarshal(line, &l); err != nil {
						t.Fatal(err)
					}
					if l.ID == "" || l.ID != rec.Header().Get("X-Request-Id") {
						t.Errorf("%s: answered %v, logged %s", tt.name, rec.Header(), line)
					}
					if l.Msg == "request refused" {
						found++
						if l.Code != tt.code || l.Status != tt.status {
							t.Errorf("%s: logged %s, want %d %s", tt.name, line, tt.status, tt.code)
						}
					}
				}
				want := 1
				if tt.status == 200 {
					want = 0
				}
				if found != want {
					t.Errorf("%s: %d lines, want %d: %s", tt.name, found, want, log.String())
				}
			}
		})
	}
}

// A Writer of the application's own gets every refusal, and nothing else
// writes one.
func TestRefusalsInAnotherForm(t *testing.T) {
	chain, all := everyRefusal(t, nil, func(w http.ResponseWriter, r *http.Request, p problem.Problem) {
		p = problem.Prepare(w, r, p)
		w.WriteHeader(p.Status)
		io.WriteString(w, "<"+p.Code+">")
	})
	for _, tt := range all {
		rec := chain.do(tt.h, tt.method, tt.path, tt.key)
		want := fmt.Sprintf("%d <%s>", tt.status, tt.code)
		if tt.status == 200 {
			want = "200 "
		}
		if got := fmt.Sprintf("%d %s", rec.Code, rec.Body); got != want {
			t.Errorf("%s: %s, want %s", tt.name, got, want)
		}
	}
}

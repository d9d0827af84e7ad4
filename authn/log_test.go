package authn_test

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/problem"
	"medtwin.ai/tollgate/ratelimit"
)

// case T11: the line of a refusal, and of a credential that could not be
// verified, has the client's address by the resolver and the request's id.
func TestRefusalsNameTheClient(t *testing.T) {
	const client, proxy = "203.0.113.9", "10.0.0.1:1234"
	var out strings.Builder
	log := slog.New(slog.NewTextHandler(&out, nil))
	d := newDoor(t, func(_ *apikey.Config, c *authn.Config) {
		c.Logger, c.ClientAddr = log, ratelimit.ClientAddr(netip.MustParsePrefix("10.0.0.0/8"))
	})
	_, good := d.issue()
	for _, tt := range []struct {
		name, credential, want string
		fails                  bool
	}{
		{"none", "", "request refused", false},
		{"unknown", "Bearer " + formats(t)["live"].Generate().Reveal(), "request refused", false},
		{"outage", "Bearer " + good, "credential not verified", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out.Reset()
			if tt.fails {
				down := errors.New("down")
				d.spy.fail.Store(&down)
			}
			r := request()
			if tt.credential != "" {
				r = request(tt.credential)
			}
			r.RemoteAddr = proxy
			r.Header.Set("X-Forwarded-For", "198.51.100.1, "+client)
			id := ""
			problem.RequestIDs(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				d.knock(r)
				id = problem.RequestID(r.Context())
			})).ServeHTTP(httptest.NewRecorder(), r)
			for _, want := range []string{`msg="` + tt.want, "client=" + client + " ", "remote=" + proxy, "request_id=" + id + " "} {
				if !strings.Contains(out.String(), want) {
					t.Errorf("got %q, want it to have %q", &out, want)
				}
			}
		})
	}
}

// A flood of refusals hides no outage.
func TestOutagesAreLoggedApart(t *testing.T) {
	var out strings.Builder
	d := newDoor(t, func(_ *apikey.Config, c *authn.Config) { c.Logger = slog.New(slog.NewTextHandler(&out, nil)) })
	_, good := d.issue()
	for range 100 {
		d.knock(request())
	}
	down := errors.New("down")
	d.spy.fail.Store(&down)
	d.knock(request("Bearer " + good))
	if got := strings.Count(out.String(), "credential not verified"); got != 1 {
		t.Errorf("got %d lines of an outage after 100 refusals in the same second, want 1:\n%s", got, &out)
	}
}

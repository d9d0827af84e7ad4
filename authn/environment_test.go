package authn_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
)

// case A17: a key acts in its own environment. A request that asks for another
// one is refused, whether the key is remembered or not, and that is no use of
// the key; one that asks for several, or for none, is no request.
func TestEnvironmentOfAKey(t *testing.T) {
	for _, tt := range []struct {
		name   string
		asked  []string
		status int
		code   string
	}{
		{"not asked for", nil, 200, ""},
		{"its own", []string{"live"}, 200, ""},
		{"another", []string{"test"}, 403, "environment_not_allowed"},
		{"one that there is not", []string{"staging"}, 403, "environment_not_allowed"},
		{"its own in capitals", []string{"LIVE"}, 403, "environment_not_allowed"},
		{"two values", []string{"live", "live"}, 400, "invalid_environment"},
		{"its own first", []string{"live", "test"}, 400, "invalid_environment"},
		{"a list", []string{"live,test"}, 400, "invalid_environment"},
		{"empty", []string{""}, 400, "invalid_environment"},
		{"empty, then its own", []string{"", "live"}, 400, "invalid_environment"},
	} {
		for _, remembered := range []bool{false, true} {
			t.Run(tt.name+map[bool]string{true: ", remembered"}[remembered], func(t *testing.T) {
				d := newDoor(t, func(k *apikey.Config, _ *authn.Config) { k.Lease = time.Hour })
				key, token := d.issue()
				var used time.Time
				if remembered {
					used = d.now
					if _, passed := d.knock(request("Bearer " + token)); !passed {
						t.Fatal("the key is refused")
					}
				}
				d.now = d.now.Add(2 * time.Minute)
				r := request("Bearer " + token)
				if tt.asked != nil {
					r.Header["X-Environment"] = tt.asked
				}
				rec, passed := d.knock(r)
				if rec.Code != tt.status || passed != (tt.status == 200) || !strings.Contains(rec.Body.String(), tt.code) {
					t.Errorf("got %d, passed %v, %s; want %d %s", rec.Code, passed, rec.Body, tt.status, tt.code)
				}
				if passed {
					used = d.now
				}
				ended, cancel := context.WithCancel(t.Context())
				cancel()
				d.keys.Run(ended) // records the uses
				if got := d.used(key.ID); !got.Equal(used) {
					t.Errorf("used %v, want %v", got, used)
				}
			})
		}
	}
}

// case A17: the Middleware asks it of every Authenticator.
func TestEnvironmentOfAnyPrincipal(t *testing.T) {
	d := newDoor(t)
	mw := must(authn.New(authn.Config{Authenticators: []authn.Authenticator{proving{d.model, d.now}}}))
	memory := must(authn.New(authn.Config{Authenticators: []authn.Authenticator{&rememberer{p: &authn.Principal{Environment: "live"}}}}))
	for _, tt := range []struct {
		name, asked string
		passes      bool
	}{{"not asked for", "", true}, {"its own", "live", true}, {"another", "test", false}} {
		t.Run(tt.name, func(t *testing.T) {
			for _, m := range []*authn.Middleware{mw, memory} {
				r := request("Bearer key")
				if tt.asked != "" {
					r.Header = http.Header{"Authorization": {"Bearer key"}, "X-Environment": {tt.asked}}
				}
				if _, err := m.Check(r); (err == nil) != tt.passes {
					t.Errorf("got %v, want passed: %v", err, tt.passes)
				}
			}
		})
	}
}

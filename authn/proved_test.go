package authn_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authz"
)

// proving is an Authenticator: "recent" and "old" are sessions by when their
// users logged in, "key" is a key, which proves nobody's presence.
type proving struct {
	model *authz.Model
	now   time.Time
}

func (p proving) Authenticate(_ context.Context, c authn.Credential, _ time.Time) (*authn.Principal, error) {
	who := &authn.Principal{
		ID: c.Reveal(), Environment: "live",
		Rights: p.model.Rights(authz.Active, []authz.Grant{p.model.Everything()}),
	}
	switch c.Reveal() {
	case "recent":
		who.Proved = p.now.Add(-time.Minute)
	case "old":
		who.Proved = p.now.Add(-time.Hour)
	}
	return who, nil
}

// The time when a person last proved their identity reaches the routes that ask for
// it, and is forgotten with the credential.
func TestProofReachesTheRoute(t *testing.T) {
	d := newDoor(t)
	mw, err := authn.New(authn.Config{Authenticators: []authn.Authenticator{proving{d.model, d.now}}, Now: func() time.Time { return d.now }})
	if err != nil {
		t.Fatal(err)
	}
	need := authz.Need{ID: "password.change", Permission: "read", Recent: 10 * time.Minute}
	h := authz.Protect(d.model, need, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for _, tt := range []struct {
		token string
		want  int
	}{{"recent", 200}, {"old", 401}, {"key", 401}} {
		rec := httptest.NewRecorder()
		if mw.Wrap(h).ServeHTTP(rec, request("Bearer "+tt.token)); rec.Code != tt.want {
			t.Errorf("%s: %d, want %d", tt.token, rec.Code, tt.want)
		}
	}
	changed := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // a credential that is changed on the way
		r.Header.Set("Authorization", "Bearer key")
		mw.Wrap(h).ServeHTTP(w, r)
	})
	rec := httptest.NewRecorder()
	if mw.Wrap(changed).ServeHTTP(rec, request("Bearer recent")); rec.Code != 401 {
		t.Errorf("the key passed by the session's proof: %d", rec.Code)
	}
}

package authz_test

import (
	"net/http/httptest"
	"testing"
	"time"

	"medtwin.ai/tollgate/authz"
)

// A route of people is closed to credentials without a proof of identity, such as keys,
// however much they hold. case A3, A4
func TestPerson(t *testing.T) {
	m, err := authz.NewModel(authz.ModelConfig{Permissions: []string{"read", "write"}})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	everything := m.Rights(authz.Active, []authz.Grant{m.Everything()})
	reader := m.Everything()
	reader.Permissions = authz.Of("read")
	tests := []struct {
		name   string
		need   authz.Need
		rights *authz.Rights
		proved time.Time
		want   string // the code; "": allowed
	}{
		{"person", authz.Need{ID: "x", Person: true}, everything, now, ""},
		{"person long ago", authz.Need{ID: "x", Person: true}, everything, now.AddDate(-90, 0, 0), ""},
		{"key", authz.Need{ID: "x", Person: true}, everything, time.Time{}, "person_required"},
		{"proof of the future", authz.Need{ID: "x", Person: true}, everything, now.Add(time.Hour), "person_required"},
		{"person without a role", authz.Need{ID: "x", Person: true}, m.Rights(authz.Active, []authz.Grant{m.Everything()}, nil), now, "missing_permission"},
		{"person of a suspended account", authz.Need{ID: "x", Person: true}, m.Rights(authz.Suspended, []authz.Grant{m.Everything()}), now, "account_suspended"},
		{"person with the permission", authz.Need{ID: "x", Person: true, Permission: "read"}, m.Rights(authz.Active, []authz.Grant{reader}), now, ""},
		{"person without the permission", authz.Need{ID: "x", Person: true, Permission: "write"}, m.Rights(authz.Active, []authz.Grant{reader}), now, "missing_permission"},
		{"recent", authz.Need{ID: "x", Person: true, Recent: time.Minute}, everything, now, ""},
		{"not recent", authz.Need{ID: "x", Person: true, Recent: time.Minute}, everything, now.Add(-time.Hour), "insufficient_user_authentication"},
		{"key on a recent route", authz.Need{ID: "x", Person: true, Recent: time.Minute}, everything, time.Time{}, "person_required"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			need, err := m.Compile(tt.need)
			if err != nil {
				t.Fatal(err)
			}
			target, err := need.Target(httptest.NewRequest("POST", "/", nil), nil)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if denied := need.Decide(authz.Caller{Rights: tt.rights, Environment: "live", Proved: tt.proved, Now: now}, &target); denied != nil {
				got = denied.Decision.Code
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			q := need.Request(&target) // what explains a decision decides the same
			q.Environment, q.Proved, q.Now = "live", tt.proved, now
			if d := tt.rights.Decide(q); d.Code != tt.want || d.Allowed != (tt.want == "") {
				t.Errorf("the request it returns: got %+v, want %q", d, tt.want)
			}
		})
	}
}

// What contradicts itself is refused when the need is compiled.
func TestPersonInvalid(t *testing.T) {
	m, err := authz.NewModel(authz.ModelConfig{Permissions: []string{"read"}, Kinds: []string{"projects"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, need := range []authz.Need{
		{ID: "x", Person: true, Anyone: true},
		{ID: "x", Person: true, AllOf: []string{"projects"}},
		{ID: "x", Person: true, Environment: "live"},
		{ID: "x", Person: true, Permission: "wirte"},
	} {
		if _, err := m.Compile(need); err == nil {
			t.Errorf("%+v: got no error", need)
		}
	}
}

package authz_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"medtwin.ai/tollgate/authz"
)

func TestExplain(t *testing.T) {
	m := newModel(t)
	key := []authz.Grant{
		grant(authz.Of("delete"), authz.Of("p9"), authz.Of("keys.list"), authz.Of("test")),
		{Version: 2},
		grant(authz.Of("read", "write"), authz.Of("p1", "p2"), authz.Of("projects.*"), authz.Of("live")),
	}
	all := []authz.Grant{m.Everything()}
	q := authz.Request{Permission: "read", Endpoint: "projects.get", Environment: "live", Resources: project("p7"), Now: noon}
	with := func(change func(*authz.Request)) authz.Request {
		q := q
		change(&q)
		return q
	}
	anyone := authz.Request{Endpoint: "whoami", Anyone: true}
	for _, c := range []struct {
		name   string
		rights *authz.Rights
		q      authz.Request
		want   string
	}{
		{"nobody", nil, q, "denied: missing_permission\nnothing was given: there are no layers\n"},
		{"no layers", m.Rights(authz.Active), q, "denied: missing_permission\nnothing was given: there are no layers\n"},
		{"denied", m.Rights(authz.Active, key, all), q, `denied: out_of_scope
status active: yes
credential: no
  grant 1 lacks permissions "read", has "delete"; endpoints "projects.get", has "keys.list"; environments "live", has "test"; scope.projects "p7", has "p9"
  grant 2 lacks scope.projects "p7", has "p1, p2"
  void, since Model.Validate refuses them: 1
owner: yes
  grant 1 holds it all
`},
		{"suspended", m.Rights(authz.Suspended, all, nil), q, `denied: account_suspended
status suspended: no
credential: yes
  grant 1 holds it all
owner: no
  no grant
`},
		{"unknown kind", m.Rights(authz.Active, all), with(func(q *authz.Request) { q.Resources[2] = authz.Resource{Kind: "galaxies", ID: "x"} }),
			`denied: out_of_scope
status active: yes
credential: no
  grant 1 lacks scope.galaxies "x", has ""
`},
		{"stale", m.Rights(authz.Active, all), with(func(q *authz.Request) { q.Recent, q.Proved = time.Minute, noon.Add(-time.Hour) }),
			`denied: insufficient_user_authentication
status active: yes
credential: yes
  grant 1 holds it all
proof: wanted 1m0s ago at most, was 1h0m0s: no
`},
		{"fresh", m.Rights(authz.Active, all), with(func(q *authz.Request) { q.Recent, q.Proved = time.Minute, noon.Add(-time.Second) }),
			`allowed
status active: yes
credential: yes
  grant 1 holds it all
proof: wanted 1m0s ago at most, was 1s: yes
`},
		{"anyone", m.Rights(authz.Active, key), anyone, `allowed
status active: yes
credential: yes
  grant 1: nothing is asked of it
  grant 2: nothing is asked of it
  void, since Model.Validate refuses them: 1
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, c.rights.Explain(c.q)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// The explanation is of what was decided: its first line, its layers, and
// every grant alone.
func TestExplainAgrees(t *testing.T) {
	m := newModel(t)
	for seed := range uint64(500) {
		made := newRandom(seed, 4)
		w := made.world(m)
		made.tempt(w)
		r := m.Rights(w.status, w.layers...)
		for _, q := range w.requests {
			text := r.Explain(q)
			if ok := r.Decide(q).Allowed; strings.HasPrefix(text, "allowed\n") != ok {
				t.Fatalf("%+v: decided %v, explained\n%s", q, ok, text)
			}
			q.Recent = 0
			for i, layer := range w.valid {
				name := []string{"credential", "owner"}[i]
				ok := m.Rights(authz.Active, layer).Decide(q).Allowed
				if !strings.Contains(text, fmt.Sprintf("\n%s: %s\n", name, map[bool]string{true: "yes", false: "no"}[ok])) {
					t.Fatalf("%+v: %s holds it: %v, explained\n%s", q, name, ok, text)
				}
				_, grants, _ := strings.Cut(text, "\n"+name+": ")
				for j, g := range layer {
					ok := m.Rights(authz.Active, []authz.Grant{g}).Decide(q).Allowed
					_, line, _ := strings.Cut(grants, fmt.Sprintf("\n  grant %d", j+1))
					if lacks := strings.HasPrefix(line, " lacks "); lacks == ok {
						t.Fatalf("%+v: %s grant %d holds it: %v, explained\n%s", q, name, j+1, ok, text)
					}
				}
			}
		}
	}
}

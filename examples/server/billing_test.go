package main

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"medtwin.ai/tollgate/authz"
)

type shownBilling struct {
	Account, Name, Status, Plan string
	Environments                map[string]shownPlan
}

func (d *desk) billed(auth string) (b shownBilling) {
	d.t.Helper()
	if err := json.Unmarshal([]byte(d.must(200, "GET", "/v1/billing", auth, "").body), &b); err != nil {
		d.t.Fatal(err)
	}
	return b
}

func limit(name string, quota, window, used int64, returns string) shownLimit {
	left := max(0, quota-used)
	return shownLimit{Name: name, Quota: quota, Window: window, Used: &used, Remaining: &left, ReturnsAt: returns}
}

// Plan, effective limits and where they come from, and what has been used of
// every window in each environment; asking uses nothing. case L16
func TestBilling(t *testing.T) {
	d := newDesk(t)
	_, owner := d.joins("acct_1", roleOwner)
	liveKey := d.makes(owner, `{"name":"k","permissions":["read"]}`).Key
	testKey := d.makes(owner, `{"name":"k","permissions":["read"],"environment":"test"}`).Key
	for range 3 {
		d.must(200, "GET", "/v1/rubrics", "Bearer "+liveKey, "")
		d.must(200, "GET", "/v1/whoami", "Bearer "+liveKey, "")
	}
	d.must(403, "DELETE", "/v1/projects/proj_abc123", "Bearer "+liveKey, "") // costs nothing of the plan either
	d.must(200, "GET", "/v1/rubrics", "Bearer "+testKey, "")
	const midnight = "2026-11-22T00:00:00Z"
	minute := d.now.Add(time.Minute + time.Second - 1).Truncate(time.Second).Format(time.RFC3339)
	want := shownBilling{
		Account: "acct_1", Status: "active", Plan: "standard",
		Environments: map[string]shownPlan{
			live: {"standard", "account", []shownLimit{limit("minute", 60, 60, 3, minute), limit("day", 10_000, 86_400, 3, midnight)}},
			test: {"free", "environment", []shownLimit{limit("minute", 10, 60, 1, minute), limit("day", 100, 86_400, 1, midnight)}},
		},
	}
	for range 3 {
		if diff := cmp.Diff(want, d.billed(owner)); diff != "" {
			t.Fatalf("(-want +got)\n%s", diff)
		}
	}
	if a := d.must(200, "GET", "/v1/rubrics", "Bearer "+liveKey, ""); a.header.Get("X-RateLimit-Remaining") != "56" {
		t.Errorf("after asking: %s remaining", a.header.Get("X-RateLimit-Remaining"))
	}

	// With the plan used up it answers still, and says so.
	for range 70 {
		d.do("GET", "/v1/rubrics", "Bearer "+liveKey, "")
	}
	if l := d.billed(owner).Environments[live].Limits; *l[0].Used != 60 || *l[0].Remaining != 0 || *l[1].Used != 60 {
		t.Errorf("used up: %+v", l)
	}
	d.now = d.now.Add(2 * time.Minute)
	if l := d.billed(owner).Environments[live].Limits; *l[0].Used != 0 || l[0].ReturnsAt != "" || *l[1].Used != 60 {
		t.Errorf("two minutes later: %+v", l)
	}

	// A downgrade below what is used, and limits of the account's own.
	if err := d.Accounts().SetPlan(t.Context(), "acct_1", "free", "50-D"); err != nil {
		t.Fatal(err)
	}
	d.now = d.now.Add(10 * time.Second)
	b := d.billed(owner)
	if p := b.Environments[live]; p.Name != "custom" || p.Source != "limits" || len(p.Limits) != 1 || *p.Limits[0].Remaining != 0 || b.Plan != "free" {
		t.Errorf("with limits of its own: %+v", p)
	}
}

// Which callers see the billing, and of which environment.
func TestWhoSeesBilling(t *testing.T) {
	d := newDesk(t)
	d.another("acct_2")
	_, owner := d.joins("acct_1", roleOwner)
	_, administrator := d.joins("acct_1", roleAdmin)
	_, theirs := d.joins("acct_2", roleOwner)
	for _, role := range []string{roleEditor, roleViewer} {
		_, auth := d.joins("acct_1", role)
		if a := d.do("GET", "/v1/billing", auth, ""); a.status != 403 || a.body != nested403 || a.header.Get("X-Required-Permission") != admin {
			t.Errorf("%s: %d %s %v", role, a.status, a.body, a.header)
		}
	}
	key := d.makes(owner, `{"name":"k","permissions":["admin"],"service":true}`)
	tester := d.makes(owner, `{"name":"k","permissions":["admin"],"environment":"test","service":true}`)
	d.must(403, "GET", "/v1/billing", "Bearer "+tester.Key, "") // case A19
	reader := d.makes(owner, seedCreate)
	d.must(403, "GET", "/v1/billing", "Bearer "+reader.Key, "")
	d.must(401, "GET", "/v1/billing", "", "")
	for name, c := range map[string]struct {
		auth, account string
		environments  []string
	}{
		"owner": {owner, "acct_1", []string{live, test}}, "admin": {administrator, "acct_1", []string{live, test}},
		"another account": {theirs, "acct_2", []string{live, test}},
		"a live key":      {"Bearer " + key.Key, "acct_1", []string{live}},
	} {
		b := d.billed(c.auth)
		for _, env := range []string{live, test} {
			want := strings.Contains(strings.Join(c.environments, " "), env)
			if _, shown := b.Environments[env]; shown != want || b.Account != c.account {
				t.Errorf("%s: %+v", name, b)
			}
		}
	}
	if err := d.Accounts().SetStatus(t.Context(), "acct_1", authz.Suspended); err != nil {
		t.Fatal(err)
	}
	d.now = d.now.Add(time.Minute)
	if b := d.billed(owner); b.Status != "suspended" {
		t.Errorf("%+v", b)
	}
}

// whoami tells what was given, what the owner may do, and what comes of both.
func TestWhoami(t *testing.T) {
	d := newDesk(t)
	user, editor := d.joins("acct_1", roleEditor, "proj_abc123")
	_, owner := d.joins("acct_1", roleOwner)
	mine := d.makes(editor, `{"name":"k","permissions":["read","write"],"scope":{"projects":["proj_abc123"],"endpoints":["projects.*","whoami"]},"environment":"live"}`)
	service := d.makes(owner, `{"name":"k","permissions":["read"],"service":true}`)
	who := func(auth string, header ...string) (v shownSelf) {
		t.Helper()
		if err := json.Unmarshal([]byte(d.must(200, "GET", "/v1/whoami", auth, "", header...).body), &v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	grant := func(environments, endpoints, ids authz.Set, permissions ...string) []authz.Grant {
		return []authz.Grant{{
			Version: 1, Permissions: authz.Of(permissions...), Environments: environments, Endpoints: endpoints,
			Scope: map[string]authz.Set{projects: ids, artifactTypes: authz.All()},
		}}
	}
	inLive, of := authz.Of(live), authz.Of("proj_abc123")
	for _, c := range []struct {
		name, auth          string
		kind, user          string
		layers              int
		effective           []authz.Grant
		environment, source string
	}{
		{"a session", editor, "session", user, 2, grant(authz.All(), authz.All(), of, self, read, write, remove), live, "account"},
		{"a person's key", "Bearer " + mine.Key, "key", user, 2, grant(inLive, authz.Of("projects.*", "whoami"), of, read, write), live, "account"},
		{"a service key", "Bearer " + service.Key, "key", "", 1, grant(inLive, authz.All(), authz.All(), read), live, "account"},
	} {
		v := who(c.auth)
		if v.Kind != c.kind || v.User != c.user || len(v.Layers) != c.layers || v.Environment != c.environment || v.Plan.Source != c.source || v.Status != "active" {
			t.Errorf("%s: %+v", c.name, v)
		}
		if diff := cmp.Diff(c.effective, v.Effective); diff != "" {
			t.Errorf("%s (-want +got)\n%s", c.name, diff)
		}
	}
	if v := who(editor, "X-Environment", test); v.Environment != test || v.Plan.Source != "environment" {
		t.Errorf("in test: %+v", v)
	}
	d.becomes(user, "acct_1", roleViewer)
	if v := who("Bearer " + mine.Key); !cmp.Equal(v.Effective, grant(inLive, authz.Of("projects.*", "whoami"), of, read)) {
		t.Errorf("after the demotion: %+v", v.Effective)
	}
	if err := d.Accounts().SetStatus(t.Context(), "acct_1", authz.Suspended); err != nil {
		t.Fatal(err)
	}
	d.now = d.now.Add(time.Minute)
	if v := who("Bearer " + mine.Key); v.Status != "suspended" {
		t.Errorf("suspended: %+v", v)
	}
}

// What whoami calls effective is what is decided: for random layers and every
// route, a request is allowed where one of the grants it shows allows it.
func TestEffective(t *testing.T) {
	m, err := authz.NewModel(authz.ModelConfig{Permissions: []string{read, write}, ReadOnly: []string{read}, Kinds: []string{projects}})
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	pick := func(all ...string) authz.Set {
		if rng.IntN(4) == 0 {
			return authz.All()
		}
		var some []string
		for _, x := range all {
			if rng.IntN(2) == 0 {
				some = append(some, x)
			}
		}
		return authz.Of(some...)
	}
	allowed := 0
	for range 2000 {
		layers := make([][]authz.Grant, 1+rng.IntN(2))
		for i := range layers {
			for range 1 + rng.IntN(2) {
				layers[i] = append(layers[i], authz.Grant{
					Version: 1, Permissions: pick(read, write), Environments: pick(live, test),
					Endpoints: pick("projects.*", "projects.get", "projects.list", "data.get", "data.*"),
					Scope:     map[string]authz.Set{projects: pick("p1", "p2")},
				})
			}
		}
		r := m.Rights(authz.Active, layers...)
		shown := m.Rights(authz.Active, effective(r.Layers()))
		for _, q := range []authz.Request{
			{Permission: read, Endpoint: "projects.get", Environment: live}, {Permission: write, Endpoint: "data.get", Environment: test},
			{Permission: read, Endpoint: "projects.list", Environment: test}, {Permission: read, Endpoint: "rubrics.list", Environment: live},
		} {
			for _, about := range []authz.Resource{{}, {Kind: projects, ID: "p1"}, {Kind: projects, ID: "p3"}, {Kind: projects, ID: "*"}} {
				q.Resources[0] = about
				a, b := r.Decide(q).Allowed, shown.Decide(q).Allowed
				if a != b {
					t.Fatalf("%+v is %v, shown as %v\n%+v", q, a, b, layers)
				}
				if a {
					allowed++
				}
			}
		}
	}
	if allowed == 0 {
		t.Error("nothing was ever allowed")
	}
}

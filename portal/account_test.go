package portal_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"medtwin.ai/tollgate/authz"
)

type limitAnswer struct {
	Name      string
	Quota     int64
	Window    int64 `json:"window_seconds"`
	Used      *int64
	Remaining *int64
	ReturnsAt string `json:"returns_at"`
}

type planAnswer struct {
	Name, Source string
	Limits       []limitAnswer
}

type billingAnswer struct {
	Account, Name, Status, Plan string
	Environments                map[string]planAnswer
}

func (d *desk) billed(auth string) (b billingAnswer) {
	d.t.Helper()
	if err := json.Unmarshal([]byte(d.must(200, "GET", "/billing", auth, "").body), &b); err != nil {
		d.t.Fatal(err)
	}
	return b
}

func limit(name string, quota, window, used int64, returns string) limitAnswer {
	left := max(0, quota-used)
	return limitAnswer{Name: name, Quota: quota, Window: window, Used: &used, Remaining: &left, ReturnsAt: returns}
}

// Plan, effective limits and where they come from, and what has been used of
// every window in each environment; asking uses nothing. case L16
func TestBilling(t *testing.T) {
	desks(t, func(t *testing.T, d *desk) {
		_, owner := d.joins("acct_1", "owner")
		liveKey := d.makes(owner, `{"name":"k","permissions":["read"]}`).Key
		testKey := d.makes(owner, `{"name":"k","permissions":["read"],"environment":"test"}`).Key
		for range 3 {
			d.must(200, "GET", "/rubrics", "Bearer "+liveKey, "")
			d.must(200, "GET", "/whoami", "Bearer "+liveKey, "")
		}
		d.must(403, "DELETE", "/projects/proj_abc123", "Bearer "+liveKey, "") // costs nothing of the plan either
		d.must(200, "GET", "/rubrics", "Bearer "+testKey, "")
		const midnight = "2026-11-22T00:00:00Z"
		minute := d.time().Add(time.Minute + time.Second - 1).Truncate(time.Second).Format(time.RFC3339)
		want := billingAnswer{
			Account: "acct_1", Status: "active", Plan: "standard",
			Environments: map[string]planAnswer{
				"live": {"standard", "account", []limitAnswer{limit("minute", 60, 60, 3, minute), limit("day", 10_000, 86_400, 3, midnight)}},
				"test": {"free", "environment", []limitAnswer{limit("minute", 10, 60, 1, minute), limit("day", 100, 86_400, 1, midnight)}},
			},
		}
		for range 3 {
			if diff := cmp.Diff(want, d.billed(owner)); diff != "" {
				t.Fatalf("(-want +got)\n%s", diff)
			}
		}
		if a := d.must(200, "GET", "/rubrics", "Bearer "+liveKey, ""); a.header.Get("X-RateLimit-Remaining") != "56" {
			t.Errorf("after asking: got %s remaining, want 56", a.header.Get("X-RateLimit-Remaining"))
		}

		// With the plan used up it answers still, and says so.
		for range 70 {
			d.do("GET", "/rubrics", "Bearer "+liveKey, "")
		}
		if l := d.billed(owner).Environments["live"].Limits; *l[0].Used != 60 || *l[0].Remaining != 0 || *l[1].Used != 60 {
			t.Errorf("used up: %+v", l)
		}
		d.setNow(d.time().Add(2 * time.Minute))
		if l := d.billed(owner).Environments["live"].Limits; *l[0].Used != 0 || l[0].ReturnsAt != "" || *l[1].Used != 60 {
			t.Errorf("two minutes later: %+v", l)
		}

		// A downgrade below what is used, and limits of the account's own.
		if err := d.config.Store.Accounts().SetPlan(t.Context(), "acct_1", "free", "50-D"); err != nil {
			t.Fatal(err)
		}
		d.setNow(d.time().Add(10 * time.Second))
		b := d.billed(owner)
		if p := b.Environments["live"]; p.Name != "custom" || p.Source != "limits" || len(p.Limits) != 1 || *p.Limits[0].Remaining != 0 || b.Plan != "free" {
			t.Errorf("with limits of its own: %+v", p)
		}
	})
}

// Applications without plans, and with a plan for every key, have no usage to show.
func TestBillingWithoutUsage(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  func(*desk)
		want string
	}{
		{"no plans", func(d *desk) { d.config.Plans, d.config.DefaultPlan, d.config.EnvironmentPlans = nil, "", nil },
			`"live":{"name":"","source":"","limits":[]}`},
		{"every key on its own", func(d *desk) { d.config.LimitPerKey = true },
			`"live":{"name":"standard","source":"account","limits":[{"name":"minute","quota":60,"window_seconds":60},{"name":"day","quota":10000,"window_seconds":86400}]}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDesk(t, tt.set)
			_, owner := d.joins("acct_1", "owner")
			if a := d.must(200, "GET", "/billing", owner, ""); !strings.Contains(a.body, tt.want) {
				t.Errorf("got %s, want %s in it", a.body, tt.want)
			}
			d.must(200, "GET", "/whoami", owner, "")
		})
	}
}

// Which callers see the billing, and of which environment.
func TestWhoSeesBilling(t *testing.T) {
	desks(t, func(t *testing.T, d *desk) {
		d.another("acct_2")
		_, owner := d.joins("acct_1", "owner")
		_, administrator := d.joins("acct_1", "admin")
		_, theirs := d.joins("acct_2", "owner")
		for _, role := range []string{"editor", "viewer"} {
			_, auth := d.joins("acct_1", role)
			if a := d.do("GET", "/billing", auth, ""); a.status != 403 || a.code() != "missing_permission" || a.header.Get("X-Required-Permission") != "admin" {
				t.Errorf("%s: got %d %s %v, want 403 for want of admin", role, a.status, a.body, a.header)
			}
		}
		key := d.makes(owner, `{"name":"k","permissions":["admin"],"service":true}`)
		tester := d.makes(owner, `{"name":"k","permissions":["admin"],"environment":"test","service":true}`)
		d.must(403, "GET", "/billing", "Bearer "+tester.Key, "") // case A19
		reader := d.makes(owner, seedCreate)
		d.must(403, "GET", "/billing", "Bearer "+reader.Key, "")
		d.must(401, "GET", "/billing", "", "")
		for _, c := range []struct {
			name, auth, account string
			environments        []string
		}{
			{"owner", owner, "acct_1", []string{"live", "test"}},
			{"admin", administrator, "acct_1", []string{"live", "test"}},
			{"another account", theirs, "acct_2", []string{"live", "test"}},
			{"a live key", "Bearer " + key.Key, "acct_1", []string{"live"}},
		} {
			t.Run(c.name, func(t *testing.T) {
				b := d.billed(c.auth)
				var got []string
				for env := range b.Environments {
					got = append(got, env)
				}
				slices.Sort(got)
				if !slices.Equal(got, c.environments) || b.Account != c.account {
					t.Errorf("got %s, %v; want %s, %v", b.Account, got, c.account, c.environments)
				}
			})
		}
		d.suspend("acct_1")
		if b := d.billed(owner); b.Status != "suspended" {
			t.Errorf("suspended: got %q", b.Status)
		}
	})
}

// An application without a permission to manage keys shows what belongs to the account to
// its owners alone.
func TestOwnersAlone(t *testing.T) {
	desks(t, func(t *testing.T, d *desk) {
		_, owner := d.joins("acct_1", "owner")
		_, administrator := d.joins("acct_1", "admin")
		key := d.makes(owner, seedCreate)
		for _, path := range []string{"/billing", "/audit-log"} {
			for _, c := range []struct {
				name, auth string
				status     int
				code       string
			}{
				{"owner", owner, 200, ""},
				{"admin", administrator, 403, "owner_only"},
				{"the owner's key", "Bearer " + key.Key, 403, "person_required"},
				{"a key for everything", "Bearer " + d.key, 403, "person_required"},
			} {
				t.Run(path+" for "+c.name, func(t *testing.T) {
					if a := d.do("GET", path, c.auth, ""); a.status != c.status || a.code() != c.code {
						t.Errorf("got %d %s, want %d %s", a.status, a.body, c.status, c.code)
					}
				})
			}
		}
	}, func(d *desk) { d.config.Permissions = []string{"read", "write", "delete"} })
}

// What belongs to the account as a whole is closed to test keys, whatever they
// may do, and open to people who look at test data. case A19
func TestAccountIsClosedToTestKeys(t *testing.T) {
	desks(t, func(t *testing.T, d *desk) {
		_, owner := d.joins("acct_1", "owner")
		tester := d.makes(owner, `{"name":"k","permissions":["read","write","delete","admin"],"environment":"test","service":true}`)
		liver := d.makes(owner, `{"name":"k","permissions":["read","write","delete","admin"],"service":true}`)
		for _, path := range []string{"/audit-log", "/billing"} {
			t.Run(path, func(t *testing.T) {
				a := d.do("GET", path, "Bearer "+tester.Key, "")
				if got := a.header.Get("X-Denied-Reason"); a.status != 403 || got != "environment_not_allowed" {
					t.Errorf("a test key: got %d %q, want 403 environment_not_allowed", a.status, got)
				}
				d.must(200, "GET", path, "Bearer "+liver.Key, "")
				d.must(200, "GET", path, owner, "", "X-Environment", "test")
			})
		}
	})
}

type selfAnswer struct {
	ID, Kind, Account, User, Environment string
	Plan                                 planAnswer
	Layers                               []struct{ Name string }
	Effective                            []authz.Grant
	Status                               string `json:"account_status"`
}

// whoami tells what was given, what the owner may do, and what comes of both.
func TestWhoami(t *testing.T) {
	desks(t, func(t *testing.T, d *desk) {
		user, editor := d.joins("acct_1", "editor", "proj_abc123")
		_, owner := d.joins("acct_1", "owner")
		mine := d.makes(editor, `{"name":"k","permissions":["read","write"],"scope":{"projects":["proj_abc123"],"endpoints":["projects.*","whoami"]},"environment":"live"}`)
		service := d.makes(owner, `{"name":"k","permissions":["read"],"service":true}`)
		who := func(auth string, header ...string) (v selfAnswer) {
			t.Helper()
			if err := json.Unmarshal([]byte(d.must(200, "GET", "/whoami", auth, "", header...).body), &v); err != nil {
				t.Fatal(err)
			}
			return v
		}
		grant := func(environments, endpoints, ids authz.Set, permissions ...string) []authz.Grant {
			return []authz.Grant{{
				Version: 1, Permissions: authz.Of(permissions...), Environments: environments, Endpoints: endpoints,
				Scope: map[string]authz.Set{"projects": ids, "artifact_types": authz.All()},
			}}
		}
		person := "session"
		if d.config.User != nil {
			person = "user"
		}
		inLive, of := authz.Of("live"), authz.Of("proj_abc123")
		for _, c := range []struct {
			name, auth          string
			kind, user          string
			layers              int
			effective           []authz.Grant
			environment, source string
		}{
			{"a person", editor, person, user, 2, grant(authz.All(), authz.All(), of, "read", "write", "delete"), "live", "account"},
			{"a person's key", "Bearer " + mine.Key, "key", user, 2, grant(inLive, authz.Of("projects.*", "whoami"), of, "read", "write"), "live", "account"},
			{"a service key", "Bearer " + service.Key, "key", "", 1, grant(inLive, authz.All(), authz.All(), "read"), "live", "account"},
		} {
			t.Run(c.name, func(t *testing.T) {
				v := who(c.auth)
				if v.Kind != c.kind || v.User != c.user || len(v.Layers) != c.layers || v.Environment != c.environment || v.Plan.Source != c.source || v.Status != "active" {
					t.Errorf("got %+v, want %+v", v, c)
				}
				if diff := cmp.Diff(c.effective, v.Effective); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
			})
		}
		if v := who(editor, "X-Environment", "test"); v.Environment != "test" || v.Plan.Source != "environment" {
			t.Errorf("in test: %+v", v)
		}
		d.becomes(user, "acct_1", "viewer")
		if diff := cmp.Diff(grant(inLive, authz.Of("projects.*", "whoami"), of, "read"), who("Bearer "+mine.Key).Effective); diff != "" {
			t.Errorf("after the demotion (-want +got)\n%s", diff)
		}
		d.suspend("acct_1")
		if v := who("Bearer " + mine.Key); v.Status != "suspended" {
			t.Errorf("suspended: %+v", v)
		}
	})
}

// case T1: the audit log of an account is its own, has no key in it though
// people wrote some into it, and cannot be read by what is for tests.
func TestAuditLog(t *testing.T) {
	desks(t, func(t *testing.T, d *desk) {
		d.another("acct_2")
		_, owner := d.joins("acct_1", "owner")
		_, theirs := d.joins("acct_2", "owner")
		_, viewer := d.joins("acct_1", "viewer")
		made := d.makes(owner, `{"name":"ci","permissions":["read","admin"],"environment":"test"}`)
		if a := d.do("GET", "/audit-log", "Bearer "+made.Key, ""); a.status != 403 || a.header.Get("X-Denied-Reason") != "environment_not_allowed" {
			t.Errorf("by a test key: %d %s", a.status, a.header.Get("X-Denied-Reason"))
		}
		d.setNow(d.time().Add(time.Second))
		d.must(204, "DELETE", "/api-keys/"+made.ID+"?reason=found+"+made.Key+"+in+a+log", owner, "")
		all, _ := d.must(200, "GET", "/audit-log", "Bearer "+d.key, "").list(t)
		if len(all) != 2 || all[0]["kind"] != "key.revoked" || all[0]["note"] != "found mt_test_… in a log" || all[0]["subject"] != made.ID ||
			all[0]["address"] != "192.0.2.1" || all[1]["kind"] != "key.created" || all[1]["actor"] != made.Owner {
			t.Fatalf("got %v", all)
		}
		if text := fmt.Sprint(all); strings.Contains(text, made.Key[8:]) || strings.Contains(text, d.key[8:]) {
			t.Errorf("there is a secret in it: %s", text)
		}
		var paged []map[string]any
		for after := ""; ; {
			data, next := d.must(200, "GET", "/audit-log?limit=1&after="+after, owner, "").list(t)
			if paged = append(paged, data...); next == "" {
				break
			}
			after = next
		}
		if diff := cmp.Diff(all, paged); diff != "" {
			t.Errorf("by pages (-want +got)\n%s", diff)
		}
		if others, _ := d.must(200, "GET", "/audit-log", theirs, "").list(t); len(others) != 0 {
			t.Errorf("another account reads %v", others)
		}
		d.must(403, "GET", "/audit-log", viewer, "")
		d.suspend("acct_1")
		d.must(403, "GET", "/audit-log", owner, "")
	})
}

// A portal has no audit log if the application does not want one.
func TestWithoutAudit(t *testing.T) {
	d := newDesk(t, func(d *desk) { d.portal.WithoutAudit = true })
	_, owner := d.joins("acct_1", "owner")
	d.must(404, "GET", "/audit-log", owner, "")
	d.must(200, "GET", "/billing", owner, "")
}

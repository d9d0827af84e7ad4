package api

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	flat401   = `{"error":"unauthorized","message":"Invalid or missing API key"}`
	flat403   = `{"error":"forbidden","message":"API key does not have permission for this resource"}`
	nested401 = `{"error":{"code":"UNAUTHORIZED","message":"Invalid or missing API key"}}`
	nested403 = `{"error":{"code":"FORBIDDEN","message":"API key does not have required permissions"}}`
)

// Every documented cause, with the documented bytes.
func TestDocumentedErrors(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir)
	_, expiring := makeKey(t, dir, "--expires", "1s")
	_, endpoint := makeKey(t, dir, "--endpoints", "artifacts.*")
	_, artifact := makeKey(t, dir, "--artifact_types", "report")
	_, readOnly := makeKey(t, dir, "--permissions", "read")
	_, scoped := makeKey(t, dir, "--permissions", "read,write,delete", "--projects", p.ProjectIDs[0])
	other := strings.TrimSpace(strings.TrimPrefix(console(t, dir, "accounts", "add", "acct_other", "--name", "Other"), "account: "))
	_, suspended := makeKey(t, dir, "--account", other)
	console(t, dir, "accounts", "suspend", other)
	wrong := p.LiveKey[:len(p.LiveKey)-1] + "0"
	if wrong == p.LiveKey {
		wrong = p.LiveKey[:len(p.LiveKey)-1] + "1"
	}
	p.within(3*time.Second, "/v1/whoami", expiring, func(a answer) bool { return a.status == 401 })

	for _, tt := range []struct {
		name, method, path, key string
		status                  int
		body, reason            string
	}{
		{"flat, missing header", "GET", "/v1/rubrics", "", 401, flat401, ""},
		{"flat, invalid", "GET", "/v1/artifacts", wrong, 401, flat401, ""},
		{"flat, expired", "GET", "/v1/rubrics", expiring, 401, flat401, ""},
		{"flat, endpoint", "GET", "/v1/rubrics", endpoint, 403, flat403, "endpoint_not_allowed"},
		{"flat, artifact type", "GET", "/v1/artifacts/protocol", artifact, 403, flat403, "out_of_scope"},
		{"flat, artifact type of something missing", "GET", "/v1/artifacts/protocol/art_none", artifact, 403, flat403, "out_of_scope"},
		{"nested, missing header", "GET", "/v1/projects", "", 401, nested401, ""},
		{"nested, invalid", "GET", "/v1/projects", wrong, 401, nested401, ""},
		{"nested, expired", "GET", "/v1/projects", expiring, 401, nested401, ""},
		{"nested, permission", "DELETE", "/v1/projects/" + p.ProjectIDs[0], readOnly, 403, nested403, "missing_permission"},
		{"nested, other project", "GET", "/v1/projects/" + p.ProjectIDs[1], scoped, 403, nested403, "out_of_scope"},
		// case A15: the same for an id that exists and one that does not
		{"nested, other project that is missing", "GET", "/v1/projects/proj_none", scoped, 403, nested403, "out_of_scope"},
		{"nested, a scoped key makes no project", "POST", "/v1/projects", scoped, 403, nested403, "out_of_scope"},
		// case A10
		{"nested, suspended", "GET", "/v1/projects", suspended, 403, nested403, "account_suspended"},
		{"flat, suspended", "GET", "/v1/rubrics", suspended, 403, flat403, "account_suspended"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := p.do(tt.method, tt.path, tt.key, "")
			if a.status != tt.status || a.body != tt.body || a.header.Get("X-Denied-Reason") != tt.reason {
				t.Errorf("%d %s %q\nwant %d %s %q", a.status, a.body, a.header.Get("X-Denied-Reason"), tt.status, tt.body, tt.reason)
			}
			if tt.status == 401 && !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Bearer ") {
				t.Errorf("WWW-Authenticate %q", a.header.Get("WWW-Authenticate"))
			}
			if tt.status == 403 && a.header.Get("X-RateLimit-Remaining") == "" {
				t.Error("a 403 without the limit headers")
			}
			if a.header.Get("X-Request-Id") == "" {
				t.Error("no request id")
			}
		})
	}

	t.Run("a suspended account still reads whoami, and comes back", func(t *testing.T) {
		if a := p.get("/v1/whoami", suspended); a.status != 200 {
			t.Errorf("whoami: %d %s", a.status, a.body)
		}
		console(t, dir, "accounts", "unsuspend", other)
		if a := p.within(time.Second, "/v1/projects", suspended, func(a answer) bool { return a.status == 200 }); a.status != 200 {
			t.Errorf("after unsuspending: %d %s", a.status, a.body)
		}
	})
	t.Run("missing is another account's", func(t *testing.T) {
		mine := p.get("/v1/projects/proj_none", p.LiveKey)
		theirs := p.get("/v1/projects/"+p.ProjectIDs[0], suspended)
		if mine.status != 404 || theirs.status != 404 || mine.body != theirs.body {
			t.Errorf("%d %s and %d %s", mine.status, mine.body, theirs.status, theirs.body)
		}
	})
	t.Run("why, in the RFC 9457 form", func(t *testing.T) {
		a := p.get("/v1/projects/"+p.ProjectIDs[1], scoped, "Accept", "application/problem+json")
		if a.header.Get("Content-Type") != "application/problem+json" || !strings.Contains(a.body, `"code":"out_of_scope"`) {
			t.Errorf("%s %s", a.header.Get("Content-Type"), a.body)
		}
	})
}

// The headers and both bodies of a 429.
func TestDocumentedLimits(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir)
	first := p.get("/v1/rubrics", p.LiveKey)
	if l, r := first.header.Get("X-RateLimit-Limit"), first.header.Get("X-RateLimit-Remaining"); l != "60" || r != "59" {
		t.Errorf("standard: limit %s, remaining %s; want 60, 59", l, r)
	}
	if reset, err := strconv.ParseInt(first.header.Get("X-RateLimit-Reset"), 10, 64); err != nil || reset < time.Now().Unix() || reset > time.Now().Unix()+61 {
		t.Errorf("X-RateLimit-Reset %q is not the Unix second at which quota returns", first.header.Get("X-RateLimit-Reset"))
	}
	for i := range 10 { // test keys have the limits of the free plan
		a := p.get("/v1/rubrics", p.TestKey)
		if want := strconv.Itoa(9 - i); a.status != 200 || a.header.Get("X-RateLimit-Limit") != "10" || a.header.Get("X-RateLimit-Remaining") != want {
			t.Fatalf("test key, request %d: %d, %s of %s remaining", i+1, a.status, a.header.Get("X-RateLimit-Remaining"), a.header.Get("X-RateLimit-Limit"))
		}
	}
	_, fresh := makeKey(t, dir, "--environment", "test") // case L4: brings no fresh budget
	for _, tt := range []struct{ path, body string }{
		{"/v1/rubrics", `{"error":"rate_limit_exceeded","message":"Too many requests. Retry after N seconds.","retry_after":N}`},
		{"/v1/projects", `{"error":{"code":"RATE_LIMIT_EXCEEDED","message":"Too many requests. Retry after N seconds.","retry_after":N}}`},
	} {
		for _, c := range []struct{ name, key string }{{"the key", p.TestKey}, {"a new key", fresh}} {
			a := p.get(tt.path, c.key)
			after := a.header.Get("Retry-After")
			if n, err := strconv.Atoi(after); err != nil || n < 1 || n > 60 || a.status != 429 || a.body != strings.ReplaceAll(tt.body, "N", after) {
				t.Errorf("%s, %s: %d, Retry-After %q, %s", tt.path, c.name, a.status, after, a.body)
			}
			if a.header.Get("X-RateLimit-Remaining") != "0" || a.header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s: headers %v", tt.path, a.header)
			}
		}
	}
	if a := p.get("/v1/whoami", p.TestKey); a.status != 200 {
		t.Errorf("whoami draws on the plan: %d", a.status)
	}
	if a := p.get("/v1/rubrics", p.LiveKey); a.status != 200 {
		t.Errorf("live keys share the counter of test keys: %d", a.status)
	}
}

// Test keys see test data only, live keys live data.
func TestEnvironments(t *testing.T) {
	p := start(t, t.TempDir())
	for _, path := range []string{"/v1/rubrics", "/v1/artifacts", "/v1/projects"} {
		l, k := p.get(path, p.LiveKey), p.get(path, p.TestKey)
		if !strings.Contains(l.body, "(live)") || strings.Contains(l.body, "(test)") || !strings.Contains(k.body, "(test)") || strings.Contains(k.body, "(live)") {
			t.Errorf("%s: live sees %s\ntest sees %s", path, l.body, k.body)
		}
	}
	if a := p.get("/v1/projects/"+p.ProjectIDs[0], p.TestKey); a.status != 404 {
		t.Errorf("a test key reads a live project: %d", a.status)
	}
}

// Read, write and delete, as seed 001's table has them, and lists that show
// what the key may see.
func TestProjects(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir)
	made := p.do("POST", "/v1/projects", p.LiveKey, `{"name":"Study C"}`)
	if made.status != 201 || !strings.Contains(made.body, `"name":"Study C"`) {
		t.Fatalf("create: %d %s", made.status, made.body)
	}
	base := "/v1/projects/" + p.ProjectIDs[0]
	for _, step := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"PATCH", base, `{"description":"new"}`, 200, `"description":"new"`},
		{"GET", base, "", 200, `"name":"Study A (live)"`},
		{"POST", base + "/data", `{"name":"Follow-up","content":"x"}`, 201, `"project_id":"` + p.ProjectIDs[0]},
		{"GET", base + "/data", "", 200, "Follow-up"},
		{"POST", base + "/analyses", `{"name":"Again"}`, 201, `"result":{"data":2}`},
		{"GET", base + "/analyses", "", 200, "Again"},
		{"DELETE", base, "", 204, ""},
		{"GET", base, "", 404, ""},
		{"GET", base + "/data", "", 404, ""},
		{"POST", base + "/data", `{"name":"orphan"}`, 404, ""},
	} {
		if a := p.do(step.method, step.path, p.LiveKey, step.body); a.status != step.status || !strings.Contains(a.body, step.want) {
			t.Errorf("%s %s: %d %s, want %d %s", step.method, step.path, a.status, a.body, step.status, step.want)
		}
	}
	_, scoped := makeKey(t, dir, "--projects", p.ProjectIDs[1])
	if a := p.get("/v1/projects?limit=1", scoped); !strings.Contains(a.body, p.ProjectIDs[1]) || strings.Count(a.body, `"id"`) != 1 || strings.Contains(a.body, "next") {
		t.Errorf("a scoped key lists %s", a.body)
	}
	_, typed := makeKey(t, dir, "--artifact_types", "report")
	if a := p.get("/v1/artifacts", typed); !strings.Contains(a.body, "First report") || strings.Contains(a.body, "First protocol") {
		t.Errorf("a key for reports lists %s", a.body)
	}
}

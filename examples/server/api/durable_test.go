package api

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A restart keeps keys, revocations, accounts and data.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir)
	_, kept := makeKey(t, dir)
	revoked, gone := makeKey(t, dir)
	console(t, dir, "keys", "revoke", revoked)
	other := strings.TrimSpace(strings.TrimPrefix(console(t, dir, "accounts", "add", "acct_other", "--name", "Other"), "account: "))
	_, theirs := makeKey(t, dir, "--account", other)
	console(t, dir, "accounts", "suspend", other)
	made := p.do("POST", "/v1/projects", p.LiveKey, `{"name":"Study C"}`)
	p.stop()

	p = start(t, dir)
	if strings.Contains(p.stdout, "mt_live_") {
		t.Error("the second start shows keys again")
	}
	for _, tt := range []struct {
		name, key string
		status    int
	}{{"demo", p.LiveKey, 200}, {"kept", kept, 200}, {"revoked", gone, 401}, {"suspended", theirs, 403}} {
		t.Run(tt.name, func(t *testing.T) {
			if a := p.get("/v1/projects", tt.key); a.status != tt.status {
				t.Errorf("%d, want %d", a.status, tt.status)
			}
		})
	}
	if a := p.get("/v1/projects", p.LiveKey); made.status != 201 || !strings.Contains(a.body, "Study C") {
		t.Errorf("a project that was acknowledged (%d) is gone: %s", made.status, a.body)
	}
	if out := console(t, dir, "keys", "list", "--account", p.AccountID); !strings.Contains(out, time.Now().UTC().Format("2006-01-02T")) {
		t.Errorf("the last use was not written on the way out:\n%s", out)
	}
}

// case T8: kill -9 right after an acknowledged create or revoke loses neither,
// nor what the server itself has acknowledged.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir)
	_, created := makeKey(t, dir)
	id, revoked := makeKey(t, dir)
	console(t, dir, "keys", "revoke", id)
	if a := p.do("POST", "/v1/projects", p.LiveKey, `{"name":"Study C"}`); a.status != 201 {
		t.Fatalf("create: %d %s", a.status, a.body)
	}
	p.kill()
	p = start(t, dir)
	if a := p.get("/v1/projects", created); a.status != 200 || !strings.Contains(a.body, "Study C") {
		t.Errorf("after the kill: %d %s", a.status, a.body)
	}
	if a := p.get("/v1/projects", revoked); a.status != 401 {
		t.Errorf("the revocation was lost: %d", a.status)
	}
}

// case K9: what the command line changes reaches the running server within a
// second.
func TestCommandLineReachesTheServer(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir)
	id, key := makeKey(t, dir)
	if a := p.get("/v1/whoami", key); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	console(t, dir, "keys", "revoke", id, "--reason", "leaked")
	began := time.Now()
	a := p.within(time.Second, "/v1/whoami", key, func(a answer) bool { return a.status == 401 })
	if a.status != 401 {
		t.Errorf("a second after the revocation: %d", a.status)
	}
	t.Logf("refused %v after the command returned", time.Since(began).Round(time.Millisecond))

	console(t, dir, "accounts", "plan", p.AccountID, "--plan", "free") // case L6
	a = p.within(time.Second, "/v1/rubrics", p.LiveKey, func(a answer) bool { return a.header.Get("X-RateLimit-Limit") == "10" })
	if got := a.header.Get("X-RateLimit-Limit"); got != "10" {
		t.Errorf("a second after the change of plan the limit is %s", got)
	}
}

func TestRotateByCommandLine(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir)
	id, old := makeKey(t, dir)
	out := console(t, dir, "keys", "rotate", id, "--grace", "1h")
	_, next, _ := strings.Cut(out, "key: ")
	next, _, _ = strings.Cut(next, "\n")
	for _, tt := range []struct{ name, key string }{{"old", old}, {"new", next}} {
		t.Run(tt.name, func(t *testing.T) {
			if a := p.get("/v1/whoami", tt.key); a.status != 200 {
				t.Errorf("%s key in the grace: %d", tt.name, a.status)
			}
		})
	}
	id, old = makeKey(t, dir)
	console(t, dir, "keys", "rotate", id, "--grace", "0")
	if a := p.get("/v1/whoami", old); a.status != 401 {
		t.Errorf("grace 0: the old key gives %d", a.status)
	}
}

func TestExplain(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir)
	id, key := makeKey(t, dir, "--permissions", "read", "--projects", p.ProjectIDs[0])
	check := func(id, key, method, path, want string, status int) {
		t.Helper()
		out := console(t, dir, "keys", "explain", "--id", id, method, path)
		if a := p.do(method, path, key, ""); !strings.Contains(out, want) || a.status != status {
			t.Errorf("%s %s: served %d, explained\n%s", method, path, a.status, out)
		}
	}
	check(id, key, "GET", "/v1/projects/"+p.ProjectIDs[0], "allowed", 200)
	check(id, key, "GET", "/v1/projects/"+p.ProjectIDs[1], "denied: out_of_scope", 403)
	check(id, key, "DELETE", "/v1/projects/"+p.ProjectIDs[0], "denied: missing_permission", 403)
	check(id, key, "GET", "/v1/api-keys", "denied: person_required", 403)
	check(id, key, "GET", "/health", "open to everybody", 200)
	check(id, key, "GET", "/nowhere", "no route", 404)

	// A person's key is bound by what the person may do at present.
	made := p.do("POST", "/v1/api-keys", p.login(p.Email, p.Password), `{"name":"mine","permissions":["read","write","admin"]}`)
	mine, secret := made.member(t, "id"), made.member(t, "key")
	check(mine, secret, "GET", "/v1/team", "allowed", 200)
	check(mine, secret, "DELETE", "/v1/team/user_1", "denied: person_required", 403)
	console(t, dir, "users", "suspend", made.member(t, "owner"))
	p.within(time.Second, "/v1/team", secret, func(a answer) bool { return a.status == 403 })
	check(mine, secret, "GET", "/v1/team", "owner: no", 403)
}

// case T6: no default pepper; a missing one is not replaced, a weak or
// readable one is refused, and the message says what to do.
func TestPepperFile(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir)
	p.stop()
	file := filepath.Join(dir, "tollgate.pepper")
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the pepper file: %v, %v", info, err)
	}
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	refused := func(name, want string) {
		t.Helper()
		out, err := program(t, dir, "--listen", "127.0.0.1:0").CombinedOutput()
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	write := func(text string, mode os.FileMode) {
		t.Helper()
		os.Remove(file)
		if err := os.WriteFile(file, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	other := t.TempDir() // another database's pepper, which names itself
	start(t, other).stop()
	if text, err := os.ReadFile(filepath.Join(other, "tollgate.pepper")); err == nil {
		write(string(text), 0o600)
	}
	refused("another's", "their root is another")
	os.Remove(file)
	refused("missing", "restore it from its backup") // a new one is another's
	write("p1 "+strings.Repeat("00", 32), 0o600)
	refused("weak", "openssl rand -hex 32")
	write("nonsense", 0o600)
	refused("malformed", "openssl rand -hex 32")
	write(string(good), 0o644)
	refused("readable", "chmod 600")
	write(string(good), 0o600)
	p = start(t, dir)
	if a := p.get("/v1/projects", p.LiveKey); a.status != 200 {
		t.Errorf("with the pepper restored: %d", a.status)
	}
}

package api

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"medtwin.ai/tollgate/adapters/pgstore/pgtest"
)

// As docs/operators.md has it: while Redis is down, which has the sessions, so
// that nobody can log in, keys are managed by command line, and the servers hear
// of it.
func TestKeysWhileRedisIsDown(t *testing.T) {
	redis := redisServer(t)
	database := postgres(t)
	dir := t.TempDir()
	p := start(t, dir, "--database", database, "--redis", redis.URL())
	if a := p.get("/v1/rubrics", p.LiveKey); a.status != 200 {
		t.Fatalf("got %d", a.status)
	}
	id := p.keyID(t)
	if err := redis.Kill(); err != nil {
		t.Fatal(err)
	}
	if a := p.do("POST", "/v1/auth/login", "", credentialsBody(p.Email, p.Password)); a.status != 503 {
		t.Errorf("login: got %d, want 503", a.status)
	}
	command := func(args ...string) string {
		t.Helper()
		return console(t, dir, append(args, "--database", database, "--redis", redis.URL())...)
	}
	made := command("keys", "create", "--account", "Demo", "--name", "made meanwhile", "--permissions", "read", "--projects", "*", "--artifact_types", "*")
	_, key, _ := strings.Cut(made, "key: ")
	key, _, _ = strings.Cut(key, "\n")
	if a := p.get("/v1/rubrics", key); a.status != 200 {
		t.Errorf("a new key: got %d, want 200", a.status)
	}
	for _, tt := range []struct {
		name, want string
		args       []string
	}{
		{"list", "made meanwhile", []string{"keys", "list", "--account", "Demo"}},
		{"explain", "allowed", []string{"keys", "explain", "--id", id, "GET", "/v1/rubrics"}},
		{"rotate", "key: ", []string{"keys", "rotate", strings.TrimSpace(strings.TrimPrefix(strings.Split(made, "\n")[0], "id:"))}},
		{"revoke", "is revoked", []string{"keys", "revoke", id}},
	} {
		if got := command(tt.args...); !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %q, want it to have %q", tt.name, got, tt.want)
		}
	}
	if a := p.within(5*time.Second, "/v1/rubrics", p.LiveKey, func(a answer) bool { return a.status == 401 }); a.status != 401 {
		t.Errorf("the revoked key: got %d, want 401", a.status)
	}
	command("users", "suspend", p.OperatorEmail)
	command("accounts", "suspend", "Demo")
	if a := p.within(5*time.Second, "/v1/rubrics", key, func(a answer) bool { return a.status == 403 }); a.status != 403 {
		t.Errorf("a key of the suspended account: got %d, want 403", a.status)
	}
	if err := redis.Restart(); err != nil {
		t.Fatal(err)
	}
}

// As docs/operators.md has it: while Postgres is read-only nothing can be
// revoked, and reads go on; once it takes writes, so do the servers, without a
// restart.
func TestRevokeOnReadOnlyDatabase(t *testing.T) {
	server, err := pgtest.Start(pgtest.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	dir := t.TempDir()
	p := start(t, dir, "--database", server.URL())
	id := p.keyID(t)
	turn := func(how string) {
		t.Helper()
		for _, sql := range []string{"ALTER SYSTEM " + how, "SELECT pg_reload_conf()", `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'`} {
			if err := server.Exec(t.Context(), sql); err != nil {
				t.Fatal(err)
			}
		}
	}
	turn("SET default_transaction_read_only = on")
	revoke := []string{"keys", "revoke", id, "--database", server.URL()}
	if got, err := given(t, dir, "", revoke...); err == nil || !strings.Contains(got, "read-only") {
		t.Errorf("revoke: got %v, %q, want an error that says why", err, got)
	}
	if a := p.within(10*time.Second, "/ready", "", func(a answer) bool { return a.status == 503 }); a.status != 503 || !strings.Contains(a.body, `"database":"unavailable"`) {
		t.Errorf("/ready: got %d %s", a.status, a.body)
	}
	if a := p.within(10*time.Second, "/v1/rubrics", p.LiveKey, func(a answer) bool { return a.status == 200 }); a.status != 200 {
		t.Errorf("a read: got %d, want 200", a.status)
	}
	turn("RESET default_transaction_read_only")
	console(t, dir, revoke...)
	if a := p.within(10*time.Second, "/v1/rubrics", p.LiveKey, func(a answer) bool { return a.status == 401 }); a.status != 401 {
		t.Errorf("the revoked key: got %d, want 401", a.status)
	}
	if a := p.within(10*time.Second, "/ready", "", func(a answer) bool { return a.status == 200 }); a.status != 200 {
		t.Errorf("/ready: got %d %s", a.status, a.body)
	}
}

// Whatever is logged as an error or a warning is in the documentation's list of
// what to alert on.
func TestAlertsAreDocumented(t *testing.T) {
	const root = "../../.."
	text, err := os.ReadFile(filepath.Join(root, "docs/operators.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "## What to alert on")
	line := regexp.MustCompile(`(?:(?:Error|Warn)(?:Context)?\((?:[a-zA-Z().]*[cC]ontext\([^"]*\), |ctx, )?|Level(?:Error|Warn), )"([^"]+)"`)
	found := 0
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "test/") {
			return err
		}
		source, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(source), `"log/slog"`) {
			return err
		}
		for _, m := range line.FindAllStringSubmatch(string(source), -1) {
			found++
			if !strings.Contains(table, "`"+m[1]) && !strings.Contains(table, "`"+strings.SplitN(m[1], ":", 2)[0]) {
				t.Errorf("%s: %q is not under \"What to alert on\"", path, m[1])
			}
		}
		return nil
	})
	if err != nil || found < 20 {
		t.Errorf("got %d lines that are logged, %v", found, err)
	}
}

package main

import (
	"strings"
	"testing"
	"time"
)

// given runs a command with something on its standard input.
func given(t *testing.T, dir, stdin string, args ...string) (string, error) {
	t.Helper()
	cmd := program(t, dir, args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// Accounts go by their names and users by their email addresses where ids are
// asked for, unless two have the same.
func TestNamesForIDs(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir)
	console(t, dir, "accounts", "create", "--name", "Acme")
	console(t, dir, "accounts", "create", "--name", "Twin")
	console(t, dir, "accounts", "create", "--name", "Twin")
	for _, tt := range []struct {
		name, want string
		args       []string
	}{
		{"plan", "standard (was free)", []string{"accounts", "plan", "Acme", "--plan", "standard"}},
		{"suspend", "", []string{"accounts", "suspend", "Acme"}},
		{"unsuspend", "", []string{"accounts", "unsuspend", "Acme"}},
		{"keys create", "key: mt_live_", []string{"keys", "create", "--account", "Acme", "--name", "k"}},
		{"keys list", "active", []string{"keys", "list", "--account", "Acme"}},
		{"users create", "id: user_", []string{"users", "create", "--account", "Acme", "--email", "ada@example.org"}},
		{"users list", "ada@example.org", []string{"users", "list", "--account", "Acme"}},
		{"users invite", "invitation: ", []string{"users", "invite", "ada@example.org"}},
		{"users suspend", "", []string{"users", "suspend", "Ada@example.org"}},
		{"users unsuspend", "", []string{"users", "unsuspend", "ada@example.org"}},
		{"id", "k", []string{"keys", "list", "--account", p.AccountID}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := console(t, dir, tt.args...); !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want it to have %q", got, tt.want)
			}
		})
	}
	for _, tt := range []struct {
		name, want string
		args       []string
	}{
		{"two of a name", "2 accounts are called", []string{"accounts", "suspend", "Twin"}},
		{"no such account", "server accounts list", []string{"accounts", "suspend", "acme"}},
		{"no such user", "server users list", []string{"users", "invite", "bob@example.org"}},
		{"no account given", "--account", []string{"keys", "list"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := given(t, dir, "", tt.args...); err == nil || !strings.Contains(got, tt.want) {
				t.Errorf("got %v, %q, want it to have %q", err, got, tt.want)
			}
		})
	}
}

// What a key could never be used for is refused when it is made, and a day is a
// span of time.
func TestKeysCreateChecks(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir)
	create := func(args ...string) (string, error) {
		return given(t, dir, "", append([]string{"keys", "create", "--name", "k"}, args...)...)
	}
	for _, tt := range []struct {
		name, want string
		args       []string
	}{
		{"project", `no project "proj_none"`, []string{"--projects", p.ProjectIDs[0] + ",proj_none"}},
		{"project of live data", "in its test data", []string{"--environment", "test", "--projects", p.ProjectIDs[0]}},
		{"endpoint", `no endpoint "projects.read"`, []string{"--endpoints", "projects.read"}},
		{"pattern", `no endpoint "project.*"`, []string{"--endpoints", "artifacts.*,project.*"}},
		{"span", "--expires", []string{"--expires", "30 days"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := create(tt.args...); err == nil || !strings.Contains(got, tt.want) || strings.Contains(got, "mt_live_") {
				t.Errorf("got %v, %q, want it to have %q", err, got, tt.want)
			}
		})
	}
	if list := console(t, dir, "keys", "list"); strings.Contains(list, " k ") {
		t.Errorf("a key was made:\n%s", list)
	}
	got, err := create("--projects", p.ProjectIDs[0], "--endpoints", "projects.*,rubrics.list", "--expires", "30d")
	if err != nil {
		t.Fatalf("%v, %s", err, got)
	}
	want := time.Now().Add(30 * 24 * time.Hour).Format("2006-01-02")
	if list := console(t, dir, "keys", "list"); !strings.Contains(list, want) {
		t.Errorf("got no key that expires on %s:\n%s", want, list)
	}
}

// Limits of an account's own do not go without a word.
func TestPlanKeepsLimits(t *testing.T) {
	dir := t.TempDir()
	start(t, dir)
	for _, tt := range []struct {
		name, want string
		fails      bool
		args       []string
	}{
		{"limits", "standard, 600-M (was standard)", false, []string{"--limits", "600-M"}},
		{"plan alone", "--limits none", true, []string{"--plan", "enterprise"}},
		{"nothing", "--plan, --limits or both", true, nil},
		{"both", "enterprise, 600-M (was standard, 600-M)", false, []string{"--plan", "enterprise", "--limits", "600-M"}},
		{"none", "standard (was enterprise, 600-M)", false, []string{"--plan", "standard", "--limits", "none"}},
		{"plan", "free (was standard)", false, []string{"--plan", "free"}},
		{"unknown", "unknown plan", true, []string{"--plan", "gold"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := given(t, dir, "", append([]string{"accounts", "plan", "Demo"}, tt.args...)...)
			if (err != nil) != tt.fails || !strings.Contains(got, tt.want) {
				t.Errorf("got %v, %q, want it to have %q, fails %v", err, got, tt.want, tt.fails)
			}
		})
	}
}

// case T1: a key is given on standard input; as an argument it is refused, and
// not repeated.
func TestKeyOnStandardInput(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir)
	id, key := makeKey(t, dir)
	if got, err := given(t, dir, key+"\n", "keys", "explain", "-", "GET", "/v1/projects"); err != nil || !strings.Contains(got, id) || !strings.Contains(got, "allowed") {
		t.Errorf("explain: got %v, %q", err, got)
	}
	for _, args := range [][]string{{"keys", "explain", key, "GET", "/v1/projects"}, {"keys", "revoke", key}, {"keys", "rotate", key}} {
		got, err := given(t, dir, "", args...)
		if err == nil || !strings.Contains(got, "standard input") || strings.Contains(got, key[10:]) {
			t.Errorf("%v: got %v, %q", args[:2], err, got)
		}
	}
	for _, stdin := range []string{"", "\n", "mt_live_wrong\n"} {
		if got, err := given(t, dir, stdin, "keys", "revoke", "-"); err == nil || strings.Contains(got, "is revoked") {
			t.Errorf("with %q: got %v, %q", stdin, err, got)
		}
	}
	if got, err := given(t, dir, key, "keys", "revoke", "-", "--reason", "found in a log"); err != nil || got != id+" is revoked\n" {
		t.Fatalf("revoke: got %v, %q", err, got)
	}
	if a := p.within(5*time.Second, "/v1/whoami", key, func(a answer) bool { return a.status == 401 }); a.status != 401 {
		t.Errorf("afterwards: %d", a.status)
	}
}

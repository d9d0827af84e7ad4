package tollgate_test

import (
	"bytes"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/memory"
)

// newCommand returns a gate with an empty store, and what runs commands on it.
func newCommand(t *testing.T, change ...func(*tollgate.Config)) (*tollgate.Gate, func(args ...string) (string, error)) {
	t.Helper()
	c := tollgate.Config{
		Store: must(memory.New(memory.Config{})), Secrets: must(keyfmt.NewKeyring(keyfmt.GeneratePepper("p1"))), Prefix: "acme",
		Permissions: []string{"read", "write"}, ReadOnly: []string{"read"}, Resources: []string{"projects", "name"},
		Plans: map[string]string{"standard": "60-M", "large": "600-M"}, DefaultPlan: "standard",
		Now: func() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) },
	}
	for _, f := range change {
		f(&c)
	}
	g := must(tollgate.New(c))
	return g, func(args ...string) (string, error) {
		var out bytes.Buffer
		done, err := g.Command(t.Context(), args, &out)
		if !done {
			t.Errorf("%q: is not a command", args)
		}
		return out.String(), err
	}
}

var made = regexp.MustCompile(`id:  (key_\S+)\nkey: (acme_\S+)\n`)

// create is the command that makes a key for project p1, with further arguments.
func create(more ...string) []string {
	return append([]string{"keys", "create", "--name", "first", "--permissions", "read", "--projects", "p1", "--scope-name", "*"}, more...)
}

func TestCommandIsNone(t *testing.T) {
	g, _ := newCommand(t)
	for _, args := range [][]string{nil, {"serve"}, {"migrate", "keys"}, {"--listen", ":80"}, {"-key", "tls.pem"}, {"-"}, {""}} {
		var out bytes.Buffer
		if done, err := g.Command(t.Context(), args, &out); done || err != nil || out.Len() > 0 {
			t.Errorf("%q: got %v, %v, %q, want false and nothing", args, done, err, &out)
		}
	}
}

// A request for help is answered, and no server starts.
func TestCommandHelp(t *testing.T) {
	_, run := newCommand(t)
	tests := []struct {
		name, args, want string
	}{
		{"help", "help", "keys explain METHOD PATH"},
		{"short flag", "-h", "keys explain METHOD PATH"},
		{"flag of package flag", "-help", "keys explain METHOD PATH"},
		{"long flag", "--help", "keys explain METHOD PATH"},
		{"of a group", "help keys", "keys explain METHOD PATH"},
		{"of something else", "help me out", "keys explain METHOD PATH"},
		{"in a group", "keys help", "keys explain METHOD PATH"},
		{"flag in a group", "users --help", "keys explain METHOD PATH"},
		{"of a command", "keys create -h", "keys create [flags]               make a key, and print it this once\nflags:\n"},
		{"of a command without flags", "accounts list -h", "accounts list\n"},
		{"example", "keys explain -h", "echo KEY | PROGRAM keys explain GET /v1/projects/p1\n"},
		{"roles", "users invite -h", "ROLE is one of owner, admin, editor, viewer.\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := run(strings.Fields(tt.args)...); err != nil || !strings.Contains(got, tt.want) {
				t.Errorf("got %q, %v, want %q", got, err, tt.want)
			}
		})
	}
}

// The help names roles that may do something, and no others.
func TestCommandHelpRoles(t *testing.T) {
	tests := []struct {
		name   string
		change func(*tollgate.Config)
		want   string
	}{
		{"no permission is read-only", func(c *tollgate.Config) { c.ReadOnly = nil },
			"ROLE is one of owner, admin, editor.\n"},
		{"other roles", func(c *tollgate.Config) { c.Roles = func(store.Membership) []authz.Grant { return nil } },
			"name those of the application in Config.RoleNames.\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, run := newCommand(t, tt.change)
			if got, err := run("users", "invite", "-h"); err != nil || !strings.Contains(got, tt.want) {
				t.Errorf("got %q, %v, want %q", got, err, tt.want)
			}
		})
	}
}

// A misspelt command is an error: it must not start the server.
func TestCommandMisspelt(t *testing.T) {
	_, run := newCommand(t)
	tests := []struct{ name, args, want string }{
		{"singular key", "key list", `there is no command "key": did you mean "keys"?`},
		{"singular user", "user invite bob@example.com acme viewer", `there is no command "user": did you mean "users"?`},
		{"singular account", "account list", `there is no command "account": did you mean "accounts"?`},
		{"alone", "kesy", `there is no command "kesy": did you mean "keys"?`},
		{"another case", "Keys list", `there is no command "Keys": did you mean "keys"?`},
		{"two mistakes", "acounst list", `did you mean "accounts"?`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := run(strings.Fields(tt.args)...)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "keys create [flags]") || got != "" {
				t.Errorf("got %q, %v, want %q and the commands", got, err, tt.want)
			}
		})
	}
}

// A store without accounts is probably the wrong one, and asking changes nothing in it.
func TestCommandNoAccount(t *testing.T) {
	_, run := newCommand(t)
	for _, args := range []string{
		"accounts list", "keys list", "keys list --account acme", "keys rotate key_1", "keys revoke key_1",
		"accounts plan acme --plan large", "accounts suspend acme", "accounts list",
	} {
		t.Run(args, func(t *testing.T) {
			want := "this store holds no account: is this the right file or database? The first key makes one: keys create --account ID …"
			if got, err := run(strings.Fields(args)...); err == nil || !strings.Contains(err.Error(), want) || got != "" {
				t.Errorf("got %q, %v, want %q", got, err, want)
			}
		})
	}
	t.Run("adding a person makes it", func(t *testing.T) {
		if _, err := run("users", "invite", "ann@example.com", "acme", "owner"); err != nil {
			t.Fatal(err)
		}
		if got, err := run("keys", "list"); err != nil || !strings.HasPrefix(got, "ID") {
			t.Errorf("got %q, %v, want a table", got, err)
		}
	})
}

// An operator's first steps on an empty store.
func TestCommandStory(t *testing.T) {
	g, run := newCommand(t)
	var id, successor, invitation string
	accept := func(token string) {
		if _, err := g.Logins().Accept(t.Context(), token, "glacier mango tutor velvet", netip.Addr{}, g.Config().Now()); err != nil {
			t.Fatal(err)
		}
	}
	steps := []struct {
		name string
		args func() []string
		want string // a regular expression
	}{
		{"help", func() []string { return []string{"help"} }, `(?s)keys create.*keys explain METHOD PATH`},
		{"flags", func() []string { return []string{"keys", "create", "-h"} }, `(?s)-permissions string.*comma-separated: read, write`},
		{"first key and its account", func() []string { return create("--account", "acme", "--expires", "30d") }, made.String()},
		{"accounts", func() []string { return []string{"accounts", "list"} }, `(?m)^acme +acme +active`},
		{"only account", func() []string { return []string{"keys", "list"} }, `key_\S+ +first +acme_live_\S+ +active +never +2026-12-21T12:00:00Z`},
		{"rotate", func() []string { return []string{"keys", "rotate", id, "--grace", "1h"} }, made.String()},
		{"revoke", func() []string { return []string{"keys", "revoke", "--reason", "lost", successor} }, `is revoked`},
		{"revoked", func() []string { return []string{"keys", "list"} }, `revoked`},
		{"second account", func() []string { return []string{"accounts", "add", "other", "--plan", "large"} }, `account: other`},
		{"its plan", func() []string { return []string{"accounts", "list"} }, `(?m)^other +other +active +large`},
		{"person", func() []string { return []string{"users", "invite", "Ann@Example.com", "other", "viewer"} }, `(?s)invitation: \S+\n.*ann@example.com`},
		{"who accepts", func() []string { accept(invitation); return []string{"users", "list"} }, `user_\S+ +ann@example.com +"" +other +viewer +active`},
		{"forgotten password", func() []string { return []string{"users", "reset", "Ann@example.com"} }, `(?s)reset: \S+\n.*ann@example.com`},
		{"suspended person", func() []string { return []string{"users", "suspend", "ann@example.com"} }, `user_\S+ is suspended`},
		{"kept out", func() []string { return []string{"users", "list", "--account", "other"} }, `suspended`},
		{"let in", func() []string { return []string{"users", "unsuspend", "ann@example.com"} }, `user_\S+ is active`},
		{"plan", func() []string { return []string{"accounts", "plan", "other", "--limits", "7-M"} }, `other: large, 7-M \(was large\)`},
		{"suspended", func() []string { return []string{"accounts", "suspend", "other"} }, `other is suspended`},
		{"no longer", func() []string { return []string{"accounts", "unsuspend", "other"} }, `other is active`},
		{"outdated", func() []string { return []string{"keys", "outdated"} }, `0 keys are not under pepper p1 yet`},
		{"key of a person", func() []string {
			return create("--account", "other", "--owner", "ann@example.com", "--environment", "test")
		}, `key: acme_test_`},
	}
	for _, s := range steps {
		out, err := run(s.args()...)
		if err != nil || !regexp.MustCompile(s.want).MatchString(out) {
			t.Fatalf("%s: got %q, %v, want %s", s.name, out, err, s.want)
		}
		if m := made.FindStringSubmatch(out); m != nil {
			id, successor = m[1], m[1]
		}
		if _, token, ok := strings.Cut(out, "invitation: "); ok {
			invitation, _, _ = strings.Cut(token, "\n")
		}
	}
}

// Errors say what to do.
func TestCommandMistakes(t *testing.T) {
	g, run := newCommand(t)
	g.Handle("GET /projects/{id}", need("projects.get", "read"), http.NotFoundHandler())
	out, err := run(create("--account", "acme")...)
	if err != nil {
		t.Fatal(err)
	}
	id, key := made.FindStringSubmatch(out)[1], made.FindStringSubmatch(out)[2]
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"half a command", []string{"keys"}, "want one of these commands:\naccounts add ID"},
		{"unknown command", []string{"keys", "make"}, "want one of these commands:"},
		{"unknown flag", create("--colour", "red"), "keys create: flag provided but not defined: -colour"},
		{"arguments", create("second"), `want flags and no arguments, got ["second"]`},
		{"permissions left out", []string{"keys", "create"}, "say --permissions: any of read, write"},
		{"misspelt permission", []string{"keys", "create", "--permissions", "raed"}, `there is no permission "raed": did you mean "read"?`},
		{"unknown permission", []string{"keys", "create", "--permissions", "publish"}, `there is no permission "publish": want one of ["read" "write"]`},
		{"scope left out", []string{"keys", "create", "--permissions", "read"}, `which projects? Say --projects with their ids, or "*" for all`},
		{"name left out", []string{"keys", "create", "--permissions", "read", "--projects", "p1", "--scope-name", "*"}, "say --name: what people call the key"},
		{"misspelt environment", create("--environment", "tset"), `there is no environment "tset": did you mean "test"?`},
		{"expiry", create("--expires", "soon"), `--expires: "soon" is neither a span such as 30d or 12h nor a time such as 2027-01-31T00:00:00Z`},
		{"expiry in the past", create("--expires", "2026-01-01T00:00:00Z"), "the expiry must lie in the future"},
		{"owner", create("--owner", "bob@example.com"), `--owner: "bob@example.com" is no member of account "acme": add that person first, with: users invite bob@example.com acme ROLE`},
		{"owner by id", create("--owner", "user_1"), `add that person first, with: users invite EMAIL acme ROLE`},
		{"unknown account", create("--account", "amce"), `there is no account "amce": correct the id ("accounts list"), or add it with: accounts add amce`},
		{"account twice", []string{"accounts", "add", "acme"}, `there is an account "acme" already`},
		{"unknown plan", []string{"accounts", "add", "new", "--plan", "standart"}, `there is no plan "standart": did you mean "standard"?`},
		{"not an address", []string{"users", "invite", "bob", "acme", "viewer"}, `"bob" is not an email address`},
		{"unknown role", []string{"users", "invite", "bob@example.com", "acme", "boss"}, `the role "boss" may do nothing in the account "acme" (Config.Roles); ROLE is one of owner, admin, editor, viewer`},
		{"role left out", []string{"users", "invite", "bob@example.com", "acme"}, "want EMAIL ACCOUNT ROLE"},
		{"foreign key", []string{"keys", "revoke", "key_1"}, `no account has a key "key_1": keys list --account ACCOUNT`},
		{"grace", []string{"keys", "rotate", id, "--grace", "800h"}, "a grace of 800h0m0s; it may be 0 to 168h0m0s"},
		{"key as an argument", []string{"keys", "revoke", key}, "an argument is a key, and arguments are in the history of the shell"},
		{"key as a flag", []string{"keys", "create", "--name=" + key}, "revoke that key, and name keys by their id"},
		{"unknown endpoint", create("--endpoints", "projects.gte"), `--endpoints: there is no route "projects.gte": did you mean "projects.get"?`},
		{"addresses", create("--addresses", "home"), `--addresses: "home" is neither a prefix such as 192.0.2.0/24 nor an address`},
		{"plan of a key", create("--plan", "standart"), `there is no plan "standart": did you mean "standard"?`},
		{"limits", []string{"accounts", "plan", "acme", "--limits", "lots"}, "--limits: "},
		{"nothing to change", []string{"accounts", "plan", "acme"}, "want --plan, --limits or both"},
		{"nobody", []string{"users", "reset", "bob@example.com"}, `there is no user "bob@example.com": users list`},
		{"half a question", []string{"keys", "explain", "GET"}, "want METHOD PATH, and the key on standard input"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := run(tt.args...); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	t.Run("which account", func(t *testing.T) {
		if _, err := run("accounts", "add", "other"); err != nil {
			t.Fatal(err)
		}
		want := "there are several accounts: say which with --account ID"
		if _, err := run("keys", "list"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	})
	t.Run("no account", func(t *testing.T) {
		_, run := newCommand(t)
		want := "there is no account: name the first one with --account ID"
		if _, err := run(create()...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	})
	t.Run("own login", func(t *testing.T) {
		_, run := newCommand(t, func(c *tollgate.Config) {
			c.User = func(*http.Request) (*tollgate.User, error) { return nil, nil }
		})
		want := "the application has a login of its own (Config.User)"
		if _, err := run("users", "invite", "bob@example.com", "acme", "viewer"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
		want = `"bob" is no member of account "acme": members are added when the application's login (Config.User) first names them`
		if _, err := run(create("--account", "acme", "--owner", "bob")...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	})
}

// What explain says is what the gate answers.
func TestCommandExplain(t *testing.T) {
	g, run := newCommand(t)
	g.Handle("GET /projects/{id}", need("projects.get", "read"), http.NotFoundHandler())
	g.Handle("DELETE /projects/{id}", need("projects.delete", "write"), http.NotFoundHandler())
	g.Public("GET /health", "liveness", http.NotFoundHandler())
	out, err := run(create("--account", "acme")...)
	if err != nil {
		t.Fatal(err)
	}
	id, key := made.FindStringSubmatch(out)[1], made.FindStringSubmatch(out)[2]
	explain := func(t *testing.T, key, method, path string) (string, error) {
		t.Helper()
		stdin := filepath.Join(t.TempDir(), "stdin")
		if err := os.WriteFile(stdin, []byte(key+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		f := must(os.Open(stdin))
		defer f.Close()
		defer func(old *os.File) { os.Stdin = old }(os.Stdin)
		os.Stdin = f
		return run("keys", "explain", method, path)
	}
	tests := []struct{ name, method, path, want string }{
		{"allowed", "get", "/projects/p1", "route: GET /projects/{id} (projects.get)\nallowed"},
		{"limits", "GET", "/projects/p1", "limits: 60-M (standard, from the default)"},
		{"out of scope", "GET", "/projects/p2", "denied: out_of_scope"},
		{"permission", "DELETE", "/projects/p1", "denied: missing_permission"},
		{"public", "GET", "/health", "open to everybody: liveness"},
		{"no route", "GET", "/nothing", "no route declared with Handle or Public serves this; routes of Require have no pattern here"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := explain(t, key, tt.method, tt.path); err != nil || !strings.Contains(got, tt.want) {
				t.Errorf("got %q, %v, want %q", got, err, tt.want)
			}
		})
	}
	t.Run("mistyped", func(t *testing.T) {
		want := "401: that is no key of this store, or it was mistyped"
		if _, err := explain(t, key[1:], "GET", "/projects/p1"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	})
	t.Run("another store", func(t *testing.T) {
		defer func(old func(...string) (string, error)) { run = old }(run)
		_, run = newCommand(t)
		want := "this store holds no account: is this the right file or database?"
		if _, err := explain(t, key, "GET", "/projects/p1"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	})
	t.Run("nothing on input", func(t *testing.T) {
		want := "want a key on standard input"
		if _, err := explain(t, "", "GET", "/projects/p1"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	})
	t.Run("not used by it", func(t *testing.T) {
		if out, err := run("keys", "list"); err != nil || !regexp.MustCompile(id+` .* active +never`).MatchString(out) {
			t.Errorf("got %q, %v, want a key that was never used", out, err)
		}
	})
	if _, err := run("keys", "revoke", id); err != nil {
		t.Fatal(err)
	}
	t.Run("revoked", func(t *testing.T) {
		if got, err := explain(t, key, "GET", "/projects/p1"); err != nil || !strings.Contains(got, "401: the key is revoked") {
			t.Errorf("got %q, %v, want 401: the key is revoked", got, err)
		}
	})
}

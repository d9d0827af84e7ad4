package tollgate_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/ratelimit"
	"medtwin.ai/tollgate/store/memory"
)

// need is what a route about a project asks.
func need(id, permission string) authz.Need {
	return authz.Need{ID: id, Permission: permission, From: map[string]string{"projects": "id"}}
}

// sound is a configuration without a mistake.
func sound() tollgate.Config {
	return tollgate.Config{
		Store: must(memory.New(memory.Config{})), Secrets: must(keyfmt.NewKeyring(keyfmt.GeneratePepper("p1"))), Prefix: "acme",
		Permissions: []string{"read", "write"}, ReadOnly: []string{"read"}, Resources: []string{"projects"},
		Plans: map[string]string{"standard": "60-M", "large": "600-M"}, DefaultPlan: "standard",
		Logger: slog.New(slog.DiscardHandler),
	}
}

// Each mistake in a Config is named with what to do about it.
func TestConfigMistakes(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(*tollgate.Config)
		want  string
	}{
		{"no store", func(c *tollgate.Config) { c.Store = nil }, "Config.Store is required: memory.New, sqlitestore.Open or pgstore.Open"},
		{"store that failed to open", func(c *tollgate.Config) { c.Store = (*memory.Store)(nil) }, "Config.Store is a nil *memory.Store: handle the error of the function that returned it"},
		{"no secrets", func(c *tollgate.Config) { c.Secrets = nil }, `Config.Secrets is required: keyfmt.OpenKeyring("acme.secrets")`},
		{"no prefix", func(c *tollgate.Config) { c.Prefix = "" }, `Config.Prefix is required: "acme" gives keys such as acme_live_…`},
		{"prefix with its underscore", func(c *tollgate.Config) { c.Prefix = "acme_" }, `Config.Prefix is "acme_": want it without the underscore at its end`},
		{"prefix of other characters", func(c *tollgate.Config) { c.Prefix = "Acme" }, `Config.Prefix and Environments: keyfmt: prefix "Acme_live_": want [a-z0-9_]`},
		{"prefix of sessions", func(c *tollgate.Config) { c.Prefix = "sess" }, `Config.Prefix is "sess", as that of sessions: want another one`},
		{"environment of other characters", func(c *tollgate.Config) { c.Environments = []string{"Live"} }, `Config.Prefix and Environments: keyfmt: prefix "acme_Live_"`},
		{"environment twice", func(c *tollgate.Config) { c.Environments = []string{"live", "live"} }, `Config.Environments has "live" twice`},
		{"environments that look alike", func(c *tollgate.Config) { c.Environments = []string{"live", "live_eu"} }, `cannot be told apart`},
		{"no permissions", func(c *tollgate.Config) { c.Permissions, c.ReadOnly = nil, nil }, `Config.Permissions is required: what a caller can hold, such as "read" and "write"`},
		{"malformed permission", func(c *tollgate.Config) { c.Permissions = []string{"read", "Write"} }, `permission "Write": want`},
		{"permission twice", func(c *tollgate.Config) { c.Permissions = []string{"read", "read"} }, `permission "read" twice`},
		{"misspelt read-only permission", func(c *tollgate.Config) { c.ReadOnly = []string{"raed"} }, `read-only permission "raed" is not among Permissions: did you mean "read"?`},
		{"malformed resource", func(c *tollgate.Config) { c.Resources = []string{"my projects"} }, `kind "my projects": want`},
		{"resource twice", func(c *tollgate.Config) { c.Resources = []string{"projects", "projects"} }, `kind "projects" twice`},
		{"misspelt permission to manage keys", func(c *tollgate.Config) { c.ManageKeys = "wriet" }, `Config.ManageKeys: there is no permission "wriet": did you mean "write"?`},
		{"unknown permission to manage keys", func(c *tollgate.Config) { c.ManageKeys = "keys" }, `Config.ManageKeys: there is no permission "keys": want one of ["read" "write"]`},
		{"negative number of keys", func(c *tollgate.Config) { c.MaxKeys = -1 }, "Config.MaxKeys is -1: want 0 or more"},
		{"negative lease", func(c *tollgate.Config) { c.OutageLease = -time.Second }, "Config.OutageLease is -1s: want 0 or more"},
		{"malformed plan", func(c *tollgate.Config) { c.Plans["large"] = "600 a minute" }, `Config.Plans["large"]: ratelimit: plan "large": `},
		{"no default plan", func(c *tollgate.Config) { c.DefaultPlan = "" }, `Config.DefaultPlan is required: one of ["large" "standard"]`},
		{"misspelt default plan", func(c *tollgate.Config) { c.DefaultPlan = "standart" }, `Config.DefaultPlan: there is no plan "standart": did you mean "standard"?`},
		{"default of no plans", func(c *tollgate.Config) { c.Plans = nil }, `Config.DefaultPlan: there is no plan "standard": there are none`},
		{"plan of a misspelt environment", func(c *tollgate.Config) { c.EnvironmentPlans = map[string]string{"tset": "large"} }, `Config.EnvironmentPlans: there is no environment "tset": did you mean "test"?`},
		{"misspelt plan of an environment", func(c *tollgate.Config) { c.EnvironmentPlans = map[string]string{"test": "larg"} }, `Config.EnvironmentPlans["test"]: there is no plan "larg": did you mean "large"?`},
		{"limiter that failed to open", func(c *tollgate.Config) { c.Limits = (*ratelimit.Memory)(nil) }, "Config.Limits is a nil *ratelimit.Memory: handle the error of the function that returned it"},
		{"nil authenticator", func(c *tollgate.Config) { c.Authenticators = []authn.Authenticator{nil} }, "Config.Authenticators[0] is nil"},
		{"authenticator that failed to open", func(c *tollgate.Config) { c.Authenticators = []authn.Authenticator{(*apikey.Manager)(nil)} }, "Config.Authenticators[0] is nil"},
		{"origin without a scheme", func(c *tollgate.Config) { c.TrustedOrigins = []string{"app.example.com"} }, `Config.TrustedOrigins: want an origin such as "https://app.example.com": `},
		{"origin with a path", func(c *tollgate.Config) { c.TrustedOrigins = []string{"https://app.example.com/login"} }, `Config.TrustedOrigins: want an origin such as "https://app.example.com": `},
		{"invalid proxy", func(c *tollgate.Config) { c.TrustedProxies = []netip.Prefix{{}} }, `Config.TrustedProxies has an invalid prefix: want one such as netip.MustParsePrefix("10.0.0.0/8")`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := sound()
			tt.spoil(&c)
			g, err := tollgate.New(c)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if g != nil {
				t.Error("got a gate besides the error")
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		if _, err := tollgate.New(sound()); err != nil {
			t.Errorf("got %v, want a gate", err)
		}
	})
	t.Run("all at once", func(t *testing.T) {
		_, err := tollgate.New(tollgate.Config{
			ReadOnly: []string{"read"}, DefaultPlan: "standard", MaxKeys: -1, TrustedOrigins: []string{"example.com"},
			Plans: map[string]string{"large": "much"}, EnvironmentPlans: map[string]string{"tset": "large"},
		})
		for _, field := range []string{"Store", "Secrets", "Prefix", "Permissions", "MaxKeys", "TrustedOrigins", "Plans[", "DefaultPlan", "EnvironmentPlans"} {
			if err == nil || !strings.Contains(err.Error(), "tollgate: Config."+field) {
				t.Errorf("got %v, want Config.%s in it", err, field)
			}
		}
	})
}

// around returns the places of the lines above and below the call, as messages
// name them.
func around() (above, below string) {
	_, file, line, _ := runtime.Caller(1)
	return fmt.Sprintf("%s:%d", file, line-1), fmt.Sprintf("%s:%d", file, line+1)
}

// Mistakes in declarations panic, and name the line of the application.
func TestRouteMistakes(t *testing.T) {
	h := http.NotFoundHandler()
	var first, second string // where routes are declared
	tests := []struct {
		name    string
		declare func(*tollgate.Gate)
		want    func() string
	}{
		{"misspelt permission", func(g *tollgate.Gate) { g.Handle("GET /p/{id}", need("p.get", "raed"), h) },
			func() string {
				return `tollgate: GET /p/{id}: authz: need "p.get": permission "raed" is not in the model: did you mean "read"?`
			}},
		{"misspelt permission of Require", func(g *tollgate.Gate) { g.Require(need("p.get", "raed")) },
			func() string {
				return `tollgate: need "p.get": authz: need "p.get": permission "raed" is not in the model: did you mean "read"?`
			}},
		{"misspelt resource", func(g *tollgate.Gate) {
			g.Handle("GET /p/{id}", authz.Need{ID: "p.get", Permission: "read", From: map[string]string{"project": "id"}}, h)
		}, func() string { return `kind "project" is not in the model: did you mean "projects"?` }},
		{"misspelt wildcard", func(g *tollgate.Gate) { g.Handle("GET /p/{idd}", need("p.get", "read"), h) },
			func() string { return `From: "projects" comes from {id}, which is no wildcard of one segment here` }},
		{"wildcard that nothing checks", func(g *tollgate.Gate) {
			g.Handle("GET /p/{project}", authz.Need{ID: "p.get", Permission: "read"}, h)
		}, func() string {
			return `{project} is not checked, so that a key for one of "projects" opens all of them: say From: map[string]string{"projects": "project"}, or name "projects" in CheckedByHandler`
		}},
		{"id of a resource that nothing checks", func(g *tollgate.Gate) {
			g.Handle("GET /p/{project_id}/notes", authz.Need{ID: "p.notes", Permission: "read"}, h)
		}, func() string { return `say From: map[string]string{"projects": "project_id"}` }},
		{"misspelt environment", func(g *tollgate.Gate) {
			g.Handle("GET /p", authz.Need{ID: "p.list", Permission: "read", Environment: "lvie"}, h)
		}, func() string { return `need.Environment: there is no environment "lvie": did you mean "live"?` }},
		{"no id", func(g *tollgate.Gate) { g.Handle("GET /p/{id}", need("", "read"), h) },
			func() string { return `ID "": want dot-separated lower-case words, as in "projects.get"` }},
		{"id twice", func(g *tollgate.Gate) {
			g.Handle("GET /p/{id}", need("p.get", "read"), h)
			first, _ = around()
			g.Handle("GET /q/{id}", need("p.get", "read"), h)
		}, func() string {
			return `ID "p.get" is taken by the route declared at ` + first + `: every route has its own`
		}},
		{"id twice with Require", func(g *tollgate.Gate) {
			g.Require(need("p.get", "read"))
			first, _ = around()
			g.Require(need("p.get", "read"))
		}, func() string { return `ID "p.get" is taken by the route declared at ` + first }},
		{"pattern twice", func(g *tollgate.Gate) {
			g.Handle("GET /p/{id}", need("p.get", "read"), h)
			first, second = around()
			g.Handle("GET /p/{id}", need("p.look", "read"), h)
		}, func() string {
			return `(declared at ` + second + `) conflicts with pattern "GET /p/{id}" (declared at ` + first + `)`
		}},
		{"public pattern twice", func(g *tollgate.Gate) {
			g.Public("GET /health", "liveness", h)
			first, second = around()
			g.Public("GET /health", "liveness", h)
		}, func() string {
			return `(declared at ` + second + `) conflicts with pattern "GET /health" (declared at ` + first + `)`
		}},
		{"no method", func(g *tollgate.Gate) { g.Handle("/p/{id}", need("p.get", "read"), h) },
			func() string { return `the pattern has no method: say which, as in "GET /projects"` }},
		{"no method of a public route", func(g *tollgate.Gate) { g.Public("/health", "liveness", h) },
			func() string { return `the pattern has no method: say which, as in "GET /projects"` }},
		{"no reason", func(g *tollgate.Gate) { g.Public("GET /health", "", h) },
			func() string { return "a public route without a reason: say why anybody may call it" }},
		{"no handler", func(g *tollgate.Gate) { g.Handle("GET /p/{id}", need("p.get", "read"), nil) },
			func() string { return "the handler is nil" }},
		{"changes with a read-only permission", func(g *tollgate.Gate) { g.Handle("DELETE /p/{id}", need("p.delete", "read"), h) },
			func() string {
				return `DELETE with permission "read", which is read-only: require one that changes things, or say ReadOnly`
			}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			defer func() {
				got, want := fmt.Sprint(recover()), tt.want()
				if !strings.Contains(got, want) {
					t.Errorf("got panic %q, want %q", got, want)
				}
			}()
			tt.declare(must(tollgate.New(sound())))
		})
	}
}

// logged returns a logger and the text that it has written.
func logged() (*slog.Logger, *bytes.Buffer) {
	var b bytes.Buffer
	return slog.New(slog.NewTextHandler(&b, nil)), &b
}

// Mistakes that show only when requests come are 500 and an error in the log, and
// warnings come once.
func TestServingMistakes(t *testing.T) {
	ok := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	charge := func(r *http.Request) (string, *ratelimit.Plan) {
		caller, _ := authn.FromContext(r.Context())
		return caller.Subject, must(ratelimit.ParsePlan("standard", "60-M"))
	}
	tests := []struct {
		name   string
		status int
		log    string
		times  int // in the log after two requests
		set    func(*tollgate.Config)
		h      func(c *chain, log *slog.Logger) http.Handler
		change func(*http.Request)
	}{
		{"router without path values", 500, "correct the name in From, or call r.SetPathValue before the gate", 2, nil,
			func(c *chain, _ *slog.Logger) http.Handler { return c.gate.Require(need("p.look", "read"))(ok) }, nil},
		{"limiter outside authentication", 500, "put the limiter inside the authentication, as in auth.Wrap(limiter.Wrap(h))", 2, nil,
			func(_ *chain, log *slog.Logger) http.Handler {
				return must(ratelimit.New(ratelimit.Config{Charge: charge, Logger: log})).Wrap(ok)
			}, nil},
		{"Protect without authentication", 500, "put authentication around Protect, as in auth.Wrap(authz.Protect(model, need, h))", 2, nil,
			func(c *chain, log *slog.Logger) http.Handler {
				return authz.Guard{Model: c.gate.Model(), Logger: log}.Protect(authz.Need{ID: "p", Permission: "read"}, ok)
			}, nil},
		{"Run never called", 200, "the gate serves requests, but Gate.Run was never called", 1, nil,
			func(c *chain, _ *slog.Logger) http.Handler { c.now = c.now.Add(2 * time.Second); return c.gate }, nil},
		{"Run may come a moment later", 200, "Gate.Run was never called", 0, nil,
			func(c *chain, _ *slog.Logger) http.Handler { return c.gate }, nil},
		{"proxy that is not trusted", 200, "X-Forwarded-For is ignored, because it comes from a peer that is not one of Config.TrustedProxies", 1, nil,
			func(c *chain, _ *slog.Logger) http.Handler { return c.gate },
			func(r *http.Request) { r.Header.Set("X-Forwarded-For", "203.0.113.7") }},
		{"proxy that is trusted", 200, "X-Forwarded-For is ignored", 0,
			func(c *tollgate.Config) { c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} },
			func(c *chain, _ *slog.Logger) http.Handler { return c.gate },
			func(r *http.Request) { r.Header.Set("X-Forwarded-For", "unknown") }},
		{"user without an id", 503, "Config.User: field ID of the User has 0 bytes: want 1 to 128", 2, asUser(tollgate.User{Account: "a", Role: "viewer"}),
			func(c *chain, _ *slog.Logger) http.Handler { return c.gate }, withoutKey},
		{"user without an account", 503, "Config.User: field Account of the User has 0 bytes: want 1 to 128", 2, asUser(tollgate.User{ID: "u", Role: "viewer"}),
			func(c *chain, _ *slog.Logger) http.Handler { return c.gate }, withoutKey},
		{"user without a role", 503, "Config.User: field Role of the User has 0 bytes: want 1 to 128", 2, asUser(tollgate.User{ID: "u", Account: "a"}),
			func(c *chain, _ *slog.Logger) http.Handler { return c.gate }, withoutKey},
		{"user of half a letter", 503, `field ID of the User is \"\\xff\": want UTF-8 without U+0000`, 2, asUser(tollgate.User{ID: "\xff", Account: "a", Role: "viewer"}),
			func(c *chain, _ *slog.Logger) http.Handler { return c.gate }, withoutKey},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			log, text := logged()
			c := newChain(t, "60-M", func(c *tollgate.Config) {
				c.Logger = log
				if tt.set != nil {
					tt.set(c)
				}
			})
			_, key := c.issue("read")
			h := tt.h(c, log)
			for range 2 {
				r := httptest.NewRequest("GET", "/projects/p1", nil)
				r.Header.Set("Authorization", "Bearer "+key)
				if tt.change != nil {
					tt.change(r)
				}
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				if w.Code != tt.status {
					t.Errorf("got status %d, want %d", w.Code, tt.status)
				}
			}
			if got := strings.Count(text.String(), tt.log); got != tt.times {
				t.Errorf("got %d lines with %q, want %d:\n%s", got, tt.log, tt.times, text)
			}
			if tt.status == 500 && !strings.Contains(text.String(), "level=ERROR") {
				t.Errorf("got no error in the log:\n%s", text)
			}
		})
	}
}

// asUser says that everybody is u.
func asUser(u tollgate.User) func(*tollgate.Config) {
	return func(c *tollgate.Config) {
		c.User = func(*http.Request) (*tollgate.User, error) { return &u, nil }
	}
}

func withoutKey(r *http.Request) { r.Header.Del("Authorization") }

// A gate that New has not made guards nothing, and says so.
func TestGateNotMade(t *testing.T) {
	tests := []struct {
		name string
		use  func(*tollgate.Gate)
	}{
		{"Handle", func(g *tollgate.Gate) { g.Handle("GET /p/{id}", need("p.get", "read"), http.NotFoundHandler()) }},
		{"Public", func(g *tollgate.Gate) { g.Public("GET /health", "liveness", http.NotFoundHandler()) }},
		{"Require", func(g *tollgate.Gate) { g.Require(need("p.get", "read")) }},
		{"Run", func(g *tollgate.Gate) { g.Run(t.Context()) }},
		{"Command", func(g *tollgate.Gate) { g.Command(t.Context(), []string{"help"}, io.Discard) }},
	}
	for _, g := range []*tollgate.Gate{nil, new(tollgate.Gate)} {
		for _, tt := range tests {
			t.Run(fmt.Sprintf("%s, nil: %v", tt.name, g == nil), func(t *testing.T) {
				defer func() {
					const want = "tollgate: this Gate is nil or zero: make it with tollgate.New, and handle its error"
					if got := recover(); got != want {
						t.Errorf("got panic %v, want %q", got, want)
					}
				}()
				tt.use(g)
			})
		}
	}
}

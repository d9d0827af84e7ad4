package portal_test

import (
	"bytes"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/portal"
	"medtwin.ai/tollgate/store/memory"
)

// saysWhatToDo matches a sentence that names the next step.
var saysWhatToDo = regexp.MustCompile(`(?i)\b(send|ask|check|correct|choose|expected|log in|leave|lists?|must|name|read it|say|make|revoke|rotate|try again|use|want|wait|add|give|restore|did you mean)\b`)

// Natural mistakes of callers: each answer says what to do next.
func TestMistakesOfCallers(t *testing.T) {
	d := newMailDesk(t, withPlan)
	user, owner := d.joins("acct_1", "owner")
	revoked, expired := d.makes(owner, `{"name":"old","permissions":["read"]}`), d.makes(owner, `{"name":"short","permissions":["read"],"expires_at":"2026-11-21T09:30:00Z"}`)
	scoped := d.makes(owner, `{"name":"one","permissions":["read"],"scope":{"projects":["proj_abc123"]}}`)
	tester := d.makes(owner, `{"name":"test","permissions":["read"],"environment":"test"}`)
	d.must(204, "DELETE", "/api-keys/"+revoked.ID, owner, "")
	tests := []struct {
		name, method, path, auth, body string
		header                         []string
		status                         int
		want                           string // in the body
	}{
		{"no key", "GET", "/rubrics", "", "", nil, 401, "send the header Authorization: Bearer"},
		{"key in the query", "GET", "/rubrics?api_key=" + d.key, "", "", nil, 401, "send the header Authorization: Bearer"},
		{"key without Bearer", "GET", "/rubrics", d.key, "", nil, 401, "send it whole, in Authorization: Bearer"},
		{"key as Basic", "GET", "/rubrics", "Basic " + d.key, "", nil, 401, "send it whole, in Authorization: Bearer"},
		{"key as a session", "GET", "/rubrics", "Session " + d.key, "", nil, 401, "send it whole, in Authorization: Bearer"},
		{"mistyped key", "GET", "/rubrics", "Bearer " + d.key[:len(d.key)-1] + "_", "", nil, 401, "send it whole"},
		{"expired key", "GET", "/rubrics", "Bearer " + expired.Key, "", nil, 401, "use its successor, make a new one"},
		{"revoked key", "GET", "/rubrics", "Bearer " + revoked.Key, "", nil, 401, "use another one"},
		{"two environments", "GET", "/rubrics", "Bearer " + d.key, "", []string{"X-Environment", "live, test"}, 400, "Send one X-Environment header"},
		{"test key on live data", "GET", "/rubrics", "Bearer " + tester.Key, "", []string{"X-Environment", "live"}, 403, "use a key for it, or leave the header out"},
		{"another project", "GET", "/projects/proj_def456", "Bearer " + scoped.Key, "", nil, 403, "ask for a key that includes it"},
		{"no permission", "DELETE", "/projects/proj_abc123", "Bearer " + scoped.Key, "", nil, 403, "ask for a key or a role with it"},
		{"managing keys with a key", "GET", "/api-keys", "Bearer " + d.key, "", nil, 403, "no API key: log in"},
		{"unknown path", "GET", "/project", "Bearer " + d.key, "", nil, 404, "check the path and the id"},
		{"wrong method", "PUT", "/projects", "Bearer " + d.key, "", nil, 405, "Allow lists those that it does"},
		{"over the limit", "GET", "/rubrics", "Bearer " + d.key, "", nil, 429, "wait for the seconds that Retry-After names"},

		// Of people.
		{"wrong password", "POST", "/auth/login", "", `{"email":"a@example.com","password":"x"}`, nil, 401, "check both, or ask for a reset"},
		{"weak password", "POST", "/auth/accept", "", `{"token":"TOKEN","password":"secret"}`, nil, 400, "choose a longer one"},
		{"used token", "POST", "/auth/accept", "", `{"token":"x.y.z","password":"` + goodPassword + `"}`, nil, 400, "ask for a new one"},
		{"last owner leaves", "DELETE", "/team/" + user, owner, "", nil, 409, "make another member an owner first"},
		{"misspelt permission", "POST", "/api-keys", owner, `{"name":"k","permissions":["wirte"]}`, nil, 400, "permissions must list one or more of"},
		{"misspelt field", "POST", "/api-keys", owner, `{"nam":"k","permissions":["read"]}`, nil, 400, "there is no such field here; expected"},
		{"expiry in the past", "POST", "/api-keys", owner, `{"name":"k","permissions":["read"],"expires_at":"2020-01-01T00:00:00Z"}`, nil, 400, "must be a time in the future"},
		{"form instead of JSON", "POST", "/api-keys", owner, "name=k", []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "Send the body as application/json"},
		{"unknown parameter", "GET", "/api-keys?page=2", owner, "", nil, 400, "there is no such query parameter here; expected"},
	}
	_, token := d.invites(owner, "new@example.com", "viewer")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			now := d.time()
			defer func() { d.setNow(now) }()
			if tt.name == "expired key" {
				d.setNow(time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC))
			}
			if tt.status == 429 {
				for range 60 {
					d.do(tt.method, tt.path, tt.auth, "")
				}
			}
			a := d.do(tt.method, tt.path, tt.auth, strings.ReplaceAll(tt.body, "TOKEN", token), tt.header...)
			if a.status != tt.status || !strings.Contains(a.body, tt.want) || !saysWhatToDo.MatchString(tt.want) {
				t.Errorf("got %d %s, want %d and %q, which says what to do", a.status, a.body, tt.status, tt.want)
			}
		})
	}
}

// Natural mistakes of operators and integrators: each message says what to do next.
func TestMistakesOfOperators(t *testing.T) {
	db, secrets := must(memory.New(memory.Config{})), must(keyfmt.NewKeyring(keyfmt.GeneratePepper("p1")))
	good := tollgate.Config{Store: db, Secrets: secrets, Prefix: "acme", Permissions: []string{"read", "write"}, Plans: map[string]string{"standard": "60-M"}}
	gate := must(tollgate.New(good))
	with := func(change func(*tollgate.Config)) error {
		c := good
		change(&c)
		_, err := tollgate.New(c)
		return err
	}
	command := func(args ...string) error {
		_, err := gate.Command(t.Context(), args, new(bytes.Buffer))
		return err
	}
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"no secrets", with(func(c *tollgate.Config) { c.Secrets = nil }), `Secrets is required: keyfmt.OpenKeyring("acme.secrets")`},
		{"no store", with(func(c *tollgate.Config) { c.Store = nil }), "Store is required: memory.New, sqlitestore.Open or pgstore.Open"},
		{"other secrets", with(func(c *tollgate.Config) { c.Secrets = must(keyfmt.NewKeyring(keyfmt.GeneratePepper("p1"))) }), "open the secrets file of its other processes, or restore it from its backup"},
		{"misspelt plan", with(func(c *tollgate.Config) { c.DefaultPlan = "standart" }), `did you mean "standard"?`},
		{"misspelt command", command("kyes", "list"), `did you mean "keys"?`},
		{"unknown account", command("keys", "list", "--account", "amce"), "this store holds no account"},
		{"misspelt role", command("users", "invite", "ann@example.com", "acme", "ownr"), "ROLE is one of owner, admin, editor"},
		{"no permissions", command("keys", "create", "--account", "acme", "--name", "k"), "say --permissions: any of read, write"},
		{"revoking in an empty store", command("keys", "revoke", "key_1"), "is this the right file or database?"},
		{"portal without a gate", portal.Declare(portal.Config{}), "Config.Gate is required: make it with tollgate.New"},
		{"prefix of the portal", portal.Declare(portal.Config{Gate: gate, Prefix: "v1/"}), "want it with a slash in front and none at the end"},
		{"page without mail", portal.Declare(portal.Config{Gate: gate, AcceptURL: "https://app.example.com/accept"}), "without Config.Mail"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.err == nil || !strings.Contains(tt.err.Error(), tt.want) {
				t.Errorf("got %v, want %q", tt.err, tt.want)
			}
		})
	}
	rec := httptest.NewRecorder()
	gate.Refuse(rec, httptest.NewRequest("GET", "/", nil), authn.ErrUnavailable)
	if rec.Header().Get("Retry-After") == "" {
		t.Errorf("an outage: got %v, want Retry-After", rec.Header())
	}
}

// withPlan has an account of 60 requests a minute.
func withPlan(d *desk) { d.config.DefaultPlan = "standard" }

package portal_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authn/login"
	"medtwin.ai/tollgate/authn/session"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/internal/testkit"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/portal"
	"medtwin.ai/tollgate/ratelimit"
	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/memory"
)

// A desk is a small API with a portal, on a clock of the test's: the account acct_1 with
// its first key and two projects.
type desk struct {
	t       *testing.T
	clock   atomic.Pointer[time.Time] // which the gate reads in the background as well
	config  tollgate.Config
	portal  portal.Config
	gate    *tollgate.Gate
	handler http.Handler
	key     string // of acct_1, for everything
	bare    bool   // the application has no routes
	admin   string // of tests of teams: the id of an administrator
	broken  error  // of Exists
	log     testkit.Log

	mu       sync.Mutex
	projects map[string][]string      // by account and environment
	people   map[string]tollgate.User // of an application with its own login, by what they send
}

// time returns the present of the desk.
func (d *desk) time() time.Time { return *d.clock.Load() }

func (d *desk) setNow(now time.Time) { d.clock.Store(&now) }

// ownLogin makes the application log people in.
func ownLogin(d *desk) {
	d.config.User = func(r *http.Request) (*tollgate.User, error) {
		d.mu.Lock()
		defer d.mu.Unlock()
		if user, ok := d.people[r.Header.Get("X-Logged-In")]; ok {
			return &user, nil
		}
		return nil, nil
	}
}

// desks runs f with the portal on its gate and Tollgate's own login, and with the portal
// under another prefix of another mux in an application that has its own login.
func desks(t *testing.T, f func(t *testing.T, d *desk), set ...func(*desk)) {
	t.Run("on the gate", func(t *testing.T) { f(t, newDesk(t, set...)) })
	t.Run("mounted, own login", func(t *testing.T) {
		f(t, newDesk(t, append([]func(*desk){ownLogin, func(d *desk) { d.portal.Prefix = "/api/v2" }}, set...)...))
	})
}

func newDesk(t *testing.T, set ...func(*desk)) *desk {
	t.Helper()
	d := &desk{t: t, people: map[string]tollgate.User{}}
	d.setNow(time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC))
	d.projects = map[string][]string{"acct_1/live": {"proj_abc123", "proj_def456"}}
	d.config = tollgate.Config{
		Store: must(memory.New(memory.Config{})), Secrets: must(keyfmt.NewKeyring(keyfmt.GeneratePepper("p1"))), Prefix: "mt",
		Permissions: []string{"read", "write", "delete", "admin"}, ReadOnly: []string{"read"}, Resources: []string{"projects", "artifact_types"},
		Plans: map[string]string{"free": "10-M, 100-D", "standard": "60-M, 10000-D"}, DefaultPlan: "standard", EnvironmentPlans: map[string]string{"test": "free"},
		Limits: freely{ratelimit.NewMemory(0)}, Logger: slog.New(slog.NewTextHandler(&d.log, nil)),
		Now: d.time,
	}
	d.portal.Prefix, d.portal.Exists = "/v1", d.exist
	for _, f := range set {
		f(d)
	}
	d.gate = must(tollgate.New(d.config))
	d.portal.Gate = d.gate
	portal := must(portal.Handler(d.portal))
	mux := http.NewServeMux()
	mux.Handle(d.portal.Prefix+"/", portal)
	d.handler = mux
	if !d.bare {
		d.application()
	}
	if _, err := d.config.Store.Accounts().Get(t.Context(), "acct_1"); err != nil { // else the store is shared
		d.account("acct_1", "standard")
	}
	grant := d.gate.Model().Everything()
	_, token, err := d.gate.Keys().Issue(t.Context(), authn.Operator("acct_1"), apikey.Spec{Name: "k", Environment: d.gate.Config().Environments[0], Grant: grant}, d.time())
	if err != nil {
		t.Fatal(err)
	}
	d.key = token.Reveal()
	d.setNow(d.time().Add(time.Millisecond)) // ids sort by time
	return d
}

// application declares the routes of the application.
func (d *desk) application() {
	d.route("GET /rubrics", authz.Need{ID: "rubrics.list", Permission: "read"})
	d.route("GET /projects", authz.Need{ID: "projects.list", Permission: "read", CheckedByHandler: []string{"projects"}})
	for _, rt := range [][3]string{{"GET", "projects.get", "read"}, {"PATCH", "projects.update", "write"}, {"DELETE", "projects.delete", "delete"}} {
		d.route(rt[0]+" /projects/{project}", authz.Need{ID: rt[1], Permission: rt[2], From: map[string]string{"projects": "project"}})
	}
}

// withoutRoutes leaves out the routes of the application, for tests with other words.
func withoutRoutes(d *desk) { d.bare = true }

// route declares a route of the application, which answers with nothing.
func (d *desk) route(pattern string, need authz.Need) {
	method, path, _ := strings.Cut(pattern, " ")
	d.gate.Handle(method+" "+d.portal.Prefix+path, need, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
}

func must[T any](v T, err error) T { return testkit.Must(v, err) }

// freely does not limit what costs nothing of the plan.
type freely struct{ ratelimit.Store }

func (f freely) Take(ctx context.Context, t ratelimit.Take, now time.Time) (ratelimit.Decision, error) {
	if strings.HasSuffix(t.Scope, "/free") {
		t.Cost = 0
	}
	return f.Store.Take(ctx, t, now)
}

// exist is the Exists of the application: it has projects, and takes all artifact types.
func (d *desk) exist(_ context.Context, account, environment, kind string, ids []string) (bool, error) {
	return kind != "projects" || !slices.ContainsFunc(ids, func(id string) bool {
		return !slices.Contains(d.projects[account+"/"+environment], id)
	}), d.broken
}

func (d *desk) account(id, plan string) {
	d.t.Helper()
	if err := d.config.Store.Accounts().Create(d.t.Context(), store.Account{ID: id, Status: authz.Active, Plan: plan, Created: d.time()}); err != nil {
		d.t.Fatal(err)
	}
}

// another makes an account with a project.
func (d *desk) another(id string) (project string) {
	d.t.Helper()
	d.account(id, "standard")
	project = keyfmt.NewID("proj_", d.time())
	d.projects[id+"/live"] = []string{project}
	return project
}

// joins makes a member of an account and logs them in. It returns their id and what they
// send to be known. ids are the projects that they are limited to.
func (d *desk) joins(account, role string, ids ...string) (user, auth string) {
	d.t.Helper()
	u := store.User{ID: keyfmt.NewID("user_", d.time()), Status: authz.Active, Created: d.time()}
	if d.config.User == nil {
		u.Email = login.Email(u.ID + "@example.com")
	}
	if err := d.config.Store.Users().Create(d.t.Context(), u); err != nil {
		d.t.Fatal(err)
	}
	d.belongs(u.ID, account, role, ids...)
	return u.ID, d.enters(u, account, role)
}

// enters logs a member in.
func (d *desk) enters(u store.User, account, role string) (auth string) {
	d.t.Helper()
	if d.config.User != nil {
		auth = u.ID + " in " + account + " at " + d.time().String()
		d.people[auth] = tollgate.User{ID: u.ID, Account: account, Role: role, LoggedIn: d.time()}
		return auth
	}
	_, token, err := d.gate.Sessions().Start(d.t.Context(), session.Spec{User: u, Account: account}, d.time())
	if err != nil {
		d.t.Fatal(err)
	}
	return "Session " + token.Reveal()
}

func (d *desk) belongs(user, account, role string, ids ...string) {
	d.t.Helper()
	m := store.Membership{User: user, Account: account, Role: role, Created: d.time()}
	if len(ids) > 0 {
		m.Scope = map[string]authz.Set{"projects": authz.Of(ids...)}
	}
	if err := d.config.Store.Memberships().Put(d.t.Context(), m); err != nil {
		d.t.Fatal(err)
	}
}

// becomes gives a member another role.
func (d *desk) becomes(user, account, role string) {
	d.t.Helper()
	d.belongs(user, account, role)
	for auth, one := range d.people {
		if one.ID == user && one.Account == account {
			one.Role = role
			d.people[auth] = one
		}
	}
	d.gate.Sessions().Forget(user)
	d.setNow(d.time().Add(10 * time.Second)) // nothing is believed for longer
}

func (d *desk) suspend(account string) {
	d.t.Helper()
	if err := d.config.Store.Accounts().SetStatus(d.t.Context(), account, authz.Suspended); err != nil {
		d.t.Fatal(err)
	}
	d.setNow(d.time().Add(time.Minute))
}

type answer struct {
	status int
	header http.Header
	body   string
}

// code returns the code of a problem.
func (a answer) code() string {
	var p struct{ Code string }
	json.Unmarshal([]byte(a.body), &p)
	return p.Code
}

// list returns the elements of a page, and which is next.
func (a answer) list(t *testing.T) (data []map[string]any, next string) {
	t.Helper()
	var page struct {
		Data []map[string]any
		Next string
	}
	if err := json.Unmarshal([]byte(a.body), &page); err != nil || a.status != 200 {
		t.Fatalf("no page: %d %s", a.status, a.body)
	}
	return page.Data, page.Next
}

// do sends a request to a path after the prefix.
func (d *desk) do(method, path, auth, body string, header ...string) answer {
	r := httptest.NewRequest(method, d.portal.Prefix+path, strings.NewReader(body))
	if _, own := d.people[auth]; own {
		r.Header.Set("X-Logged-In", auth)
	} else if auth != "" {
		r.Header.Set("Authorization", auth)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return d.serve(r)
}

var requestID = regexp.MustCompile(`,"request_id":"\w+"`)

func (d *desk) serve(r *http.Request) answer {
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, r)
	body := requestID.ReplaceAllString(string(bytes.TrimSpace(w.Body.Bytes())), "") // every one is another
	return answer{w.Code, w.Header(), body}
}

// must is do, for what has one outcome.
func (d *desk) must(status int, method, path, auth, body string, header ...string) answer {
	d.t.Helper()
	a := d.do(method, path, auth, body, header...)
	if a.status != status {
		d.t.Fatalf("%s %s %s: got %d %s, want %d", method, path, body, a.status, a.body, status)
	}
	return a
}

// A keyAnswer is a key as answers show it.
type keyAnswer struct {
	ID          string               `json:"id"`
	Name        string               `json:"name"`
	Key         string               `json:"key"`
	SecretShown bool                 `json:"secret_shown"`
	Hint        string               `json:"hint"`
	Status      string               `json:"status"`
	Environment string               `json:"environment"`
	Permissions authz.Set            `json:"permissions"`
	Scope       map[string]authz.Set `json:"scope"`
	Addresses   []string             `json:"addresses"`
	Owner       string               `json:"owner"`
	Service     bool                 `json:"service"`
	CreatedBy   string               `json:"created_by"`
	Replaces    string               `json:"replaces"`
	CreatedAt   string               `json:"created_at"`
	ExpiresAt   string               `json:"expires_at"`
}

// makes creates a key and returns it.
func (d *desk) makes(auth, body string) keyAnswer {
	d.t.Helper()
	d.setNow(d.time().Add(time.Millisecond))
	return keyIn(d.t, d.must(201, "POST", "/api-keys", auth, body))
}

func keyIn(t *testing.T, a answer) (k keyAnswer) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), &k); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	return k
}

// listed returns the ids of the keys of a list.
func (d *desk) listed(path, auth string) (ids []string, next string) {
	d.t.Helper()
	data, next := d.must(200, "GET", path, auth, "").list(d.t)
	for _, k := range data {
		ids = append(ids, k["id"].(string))
	}
	return ids, next
}

func (d *desk) events(account string) []store.Event {
	d.t.Helper()
	events, err := d.config.Store.Events().List(d.t.Context(), account, "", 200)
	if err != nil {
		d.t.Fatal(err)
	}
	return events
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"medtwin.ai/tollgate/authn/session"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

// as sends a request with a session.
func (c *clocked) as(auth, method, path, body string) answer {
	return c.do(method, path, body, "Authorization", auth)
}

// project makes a project of an account and returns its id.
func (c *clocked) project(account, environment, id string) string {
	c.t.Helper()
	err := c.documents.add(context.Background(), tenant{account, environment}, projects,
		document{ID: id, Body: json.RawMessage(`{"name":"x"}`), Created: c.now})
	if err != nil {
		c.t.Fatal(err)
	}
	return id
}

// Somebody is invited, chooses a password and is a member.
func TestInvitation(t *testing.T) {
	c := newClocked(t, "standard", "")
	c.person("o@example.com", roleOwner)
	owner := c.session("o@example.com")
	c.now = c.now.Add(time.Second) // ids sort by time
	a := c.as(owner, "POST", "/v1/team", `{"email":" New@Example.com ","role":"editor","name":"New"}`)
	invitation, id := text(a.body, "invitation"), text(a.body, "id")
	if a.status != 201 || invitation == "" || text(a.body, "email") != "new@example.com" || text(a.body, "status") != "invited" || a.header.Get("Cache-Control") != "private, no-store" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	accept := func(token, password string) answer {
		b, _ := json.Marshal(map[string]string{"token": token, "password": password})
		return c.do("POST", "/v1/auth/accept", string(b))
	}
	if a := accept(invitation+"x", secret); a.status != 400 || !strings.Contains(a.body, "INVALID_INVITATION") {
		t.Errorf("another token: %d %s", a.status, a.body)
	}
	if a := accept(invitation, "too short"); a.status != 400 || !strings.Contains(a.body, "PASSWORD_TOO_SHORT") {
		t.Errorf("a weak password: %d %s", a.status, a.body)
	}
	if a := accept(invitation, secret); a.status != 204 || a.body != "" {
		t.Fatalf("accept: %d %s", a.status, a.body)
	}
	if a := accept(invitation, "nine dry badgers whistle"); a.status != 400 {
		t.Errorf("once more: %d", a.status)
	}
	if a := c.as(c.session("new@example.com"), "POST", "/v1/projects", `{"name":"x"}`); a.status != 201 {
		t.Errorf("what an editor may: %d %s", a.status, a.body)
	}
	if a := c.as(owner, "GET", "/v1/team", ""); !strings.Contains(a.body, id) || strings.Contains(a.body, "invitation") || strings.Contains(a.body, "argon2") || strings.Contains(a.body, "invited") {
		t.Errorf("the list: %s", a.body)
	}
	page := c.as(owner, "GET", "/v1/team?limit=1", "")
	if next := text(page.body, "next"); next == "" {
		t.Errorf("a page of one: %s", page.body)
	} else if a := c.as(owner, "GET", "/v1/team?limit=1&after="+next, ""); !strings.Contains(a.body, id) || text(a.body, "next") != "" {
		t.Errorf("the page after: %s", a.body)
	}
	if a := c.as(owner, "POST", "/v1/team", `{"email":"new@example.com","role":"owner"}`); a.status != 409 {
		t.Errorf("a member again: %d %s", a.status, a.body)
	}
	expected := map[string]int{"user.invited": 1, "member.added": 1, "password.changed": 1}
	events, err := c.Events().List(context.Background(), "acct_1", "", 100)
	for _, e := range events {
		if e.Subject == id {
			expected[e.Kind]--
		}
		if strings.Contains(fmt.Sprint(e), invitation) {
			t.Errorf("an event has the invitation: %v", e)
		}
	}
	for kind, n := range expected {
		if n != 0 || err != nil {
			t.Errorf("%s: %+d events missing, %v", kind, n, err)
		}
	}
}

// The rules for changing members: by whom, which, and to what. Cases A9 and A4 are
// named below.
func TestTeamRules(t *testing.T) {
	c := newClocked(t, "standard", "")
	mine, test := c.project("acct_1", live, "proj_mine"), c.project("acct_1", test, "proj_test")
	theirs := c.project("acct_2", live, "proj_theirs")
	ids := map[string]string{}
	for _, role := range roles {
		ids[role] = c.person(role+"@example.com", role).ID
	}
	ids["narrow"] = c.person("narrow@example.com", roleAdmin).ID
	if err := c.Memberships().Put(context.Background(), store.Membership{
		User: ids["narrow"], Account: "acct_1", Role: roleAdmin, Scope: map[string]authz.Set{projects: authz.Of(mine)}, Created: c.now,
	}); err != nil {
		t.Fatal(err)
	}
	auth := map[string]string{"key": "Bearer " + c.key}
	for who := range ids {
		auth[who] = c.session(who + "@example.com")
	}
	path := func(who string) string { return "/v1/team/" + ids[who] }
	for _, tt := range []struct {
		by, method, path, body string
		status                 int
		reason                 string // X-Denied-Reason or, of others, the code in the body
	}{
		{"viewer", "GET", "/v1/team", "", 403, "missing_permission"},
		{"editor", "POST", "/v1/team", `{"email":"a@example.com","role":"viewer"}`, 403, "missing_permission"},
		{"key", "GET", "/v1/team", "", 200, ""},
		// case A4
		{"key", "POST", "/v1/team", `{"email":"a@example.com","role":"viewer"}`, 401, "INSUFFICIENT_USER_AUTHENTICATION"},
		{"key", "PATCH", path("viewer"), `{"role":"admin"}`, 401, "INSUFFICIENT_USER_AUTHENTICATION"},
		{"key", "DELETE", path("viewer"), "", 401, "INSUFFICIENT_USER_AUTHENTICATION"},
		// case A9
		{"owner", "POST", "/v1/team", `{"email":"a@example.com","role":"operator"}`, 400, "UNKNOWN_ROLE"},
		{"owner", "POST", "/v1/team", `{"email":"a@example.com","role":"Admin"}`, 400, "UNKNOWN_ROLE"},
		{"owner", "POST", "/v1/team", `{"email":"a@example.com"}`, 400, "UNKNOWN_ROLE"},
		{"owner", "POST", "/v1/team", `{"email":"a@example.com","role":"viewer","projects":["` + theirs + `"]}`, 400, "UNKNOWN_PROJECT"},
		{"owner", "POST", "/v1/team", `{"email":"a@example.com","role":"viewer","projects":["proj_none"]}`, 400, "UNKNOWN_PROJECT"},
		{"owner", "POST", "/v1/team", `{"email":"a@example.com","role":"viewer","projects":["*"]}`, 400, "UNKNOWN_PROJECT"},
		{"owner", "POST", "/v1/team", `{"email":"a@example.com","role":"viewer","projects":[]}`, 400, "UNKNOWN_PROJECT"},
		{"owner", "POST", "/v1/team", `{"email":"a@example.com","role":"owner","projects":["` + mine + `"]}`, 400, "INVALID_PROJECTS"},
		{"owner", "POST", "/v1/team", `{"email":"a@example.com","role":"viewer","account":"acct_2"}`, 400, "UNKNOWN_FIELD"}, // case A6
		{"owner", "POST", "/v1/team", `{"email":"a","role":"viewer"}`, 400, "INVALID_EMAIL"},
		{"owner", "POST", "/v1/team", `{"email":"a@example.com,b@example.com","role":"viewer"}`, 400, "INVALID_EMAIL"},
		{"owner", "POST", "/v1/team", `{"email":"a@example.com;b@example.com","role":"viewer"}`, 400, "INVALID_EMAIL"},
		{"owner", "POST", "/v1/team", `{"email":"\"x\"<e@example.com>","role":"viewer"}`, 400, "INVALID_EMAIL"},
		{"owner", "POST", "/v1/team", `{"email":"a@b@example.com","role":"viewer"}`, 400, "INVALID_EMAIL"},
		{"owner", "PATCH", path("viewer"), `{"role":"operator"}`, 400, "UNKNOWN_ROLE"},
		{"owner", "PATCH", path("viewer"), `{"projects":["` + theirs + `"]}`, 400, "UNKNOWN_PROJECT"},
		{"owner", "PATCH", "/v1/team/user_none", `{"role":"admin"}`, 404, "NOT_FOUND"},
		{"owner", "DELETE", "/v1/team/user_none", "", 404, "NOT_FOUND"},
		// Nobody makes, changes or removes a member who may do more than they may.
		{"admin", "POST", "/v1/team", `{"email":"a@example.com","role":"owner"}`, 403, "scope_exceeds_caller"},
		{"admin", "PATCH", path("admin"), `{"role":"owner"}`, 403, "scope_exceeds_caller"},
		{"admin", "PATCH", path("owner"), `{"role":"viewer"}`, 403, "scope_exceeds_caller"},
		{"admin", "DELETE", path("owner"), "", 403, "scope_exceeds_caller"},
		{"narrow", "POST", "/v1/team", `{"email":"a@example.com","role":"viewer"}`, 403, "scope_exceeds_caller"},
		{"narrow", "POST", "/v1/team", `{"email":"a@example.com","role":"viewer","projects":["` + test + `"]}`, 403, "scope_exceeds_caller"},
		{"narrow", "POST", "/v1/team", `{"email":"a@example.com","role":"viewer","projects":["` + theirs + `"]}`, 403, "scope_exceeds_caller"},
		{"narrow", "PATCH", path("narrow"), `{"projects":null}`, 403, "scope_exceeds_caller"},
		{"narrow", "DELETE", path("viewer"), "", 403, "scope_exceeds_caller"},
		{"narrow", "POST", "/v1/team", `{"email":"n@example.com","role":"admin","projects":["` + mine + `"]}`, 201, ""},
		{"owner", "POST", "/v1/team", `{"email":"b@example.com","role":"viewer","projects":["` + mine + `","` + test + `"]}`, 201, ""},
		{"owner", "PATCH", path("narrow"), `{"role":"owner"}`, 400, "INVALID_PROJECTS"},
		{"owner", "PATCH", path("narrow"), `{"role":"owner","projects":null}`, 200, ""},
		{"owner", "PATCH", path("owner"), `{"role":"admin"}`, 200, ""},
		{"narrow", "DELETE", path("narrow"), "", 409, "LAST_OWNER"},
		{"narrow", "PATCH", path("narrow"), `{"role":"admin"}`, 409, "LAST_OWNER"},
		{"owner", "PATCH", path("narrow"), `{"role":"viewer"}`, 403, "scope_exceeds_caller"}, // the owner is none any more
	} {
		a := c.as(auth[tt.by], tt.method, tt.path, tt.body)
		said := a.header.Get("X-Denied-Reason") == tt.reason
		if a.status != 403 {
			said = tt.reason == "" || strings.Contains(a.body, `"code":"`+tt.reason+`"`)
		}
		if a.status != tt.status || !said {
			t.Errorf("%s: %s %s %s: %d %s %q, want %d %s", tt.by, tt.method, tt.path, tt.body, a.status, a.body, a.header.Get("X-Denied-Reason"), tt.status, tt.reason)
		}
		if challenge := a.header.Get("WWW-Authenticate"); tt.status == 401 &&
			(!strings.Contains(challenge, `error="insufficient_user_authentication"`) || !strings.Contains(challenge, `max_age="600"`)) {
			t.Errorf("%s: %s: WWW-Authenticate %q", tt.by, tt.path, challenge)
		}
	}
	if _, err := c.Users().ByEmail(context.Background(), "a@example.com"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("what was refused has made a user: %v", err)
	}
	c.now = c.now.Add(10*time.Minute + time.Second)
	if a := c.as(auth["narrow"], "DELETE", path("viewer"), ""); a.status != 401 {
		t.Errorf("with a proof of eleven minutes ago: %d %s", a.status, a.body)
	}
	if a := c.as(c.session("narrow@example.com"), "DELETE", path("viewer"), ""); a.status != 204 {
		t.Errorf("with a new one: %d %s", a.status, a.body)
	}
}

// If all owners leave at once, one stays.
func TestLastOwner(t *testing.T) {
	for method, done := range map[string]int{"PATCH": 200, "DELETE": 204} {
		c := newClocked(t, "standard", "")
		ctx := context.Background()
		c.stores = hesitant{c.stores}
		if _, err := c.addUser(ctx, "invited@example.com", "", "", "acct_1", roleOwner); err != nil {
			t.Fatal(err) // an owner who cannot log in does not count
		}
		const owners = 8
		var paths, auths []string
		for i := range owners {
			user := store.User{ID: fmt.Sprint("user_", i), Email: fmt.Sprint(i, "@example.com"), Password: "some hash", Status: authz.Active}
			err := c.Users().Create(ctx, user)
			if err == nil {
				err = c.Memberships().Put(ctx, store.Membership{User: user.ID, Account: "acct_1", Role: roleOwner})
			}
			_, token, bad := c.sessions.Start(ctx, session.Spec{User: user, Account: "acct_1"}, c.now)
			if err != nil || bad != nil {
				t.Fatal(err, bad)
			}
			paths, auths = append(paths, "/v1/team/"+user.ID), append(auths, "Session "+token.Reveal())
		}
		var wg sync.WaitGroup
		got := make([]answer, owners)
		for i := range owners {
			body := ""
			if method == "PATCH" {
				body = `{"role":"viewer"}`
			}
			wg.Go(func() { got[i] = c.as(auths[i], method, paths[i], body) })
		}
		wg.Wait()
		seen := map[int]int{}
		for _, a := range got {
			seen[a.status]++
		}
		if want := map[int]int{done: owners - 1, 409: 1}; !maps.Equal(seen, want) {
			t.Errorf("%s: %v, want %v", method, seen, want)
		}
	}
}

// hesitant stores let others run between a look at the members and what
// follows from it.
type hesitant struct{ stores }

func (h hesitant) Memberships() store.Memberships { return hesitantMembers{h.stores.Memberships()} }

type hesitantMembers struct{ store.Memberships }

func (h hesitantMembers) OfAccount(ctx context.Context, account, after string, limit int) ([]store.Membership, error) {
	members, err := h.Memberships.OfAccount(ctx, account, after, limit)
	for range 1000 {
		runtime.Gosched()
	}
	return members, err
}

// An account that adds an address, of which another account has made a user,
// would let that account's people in. So it does not get the user.
func TestVouching(t *testing.T) {
	c := newClocked(t, "standard", "")
	ctx := context.Background()
	if err := c.Accounts().Create(ctx, store.Account{ID: "acct_2", Status: authz.Active, Created: c.now}); err != nil {
		t.Fatal(err)
	}
	c.person("o@example.com", roleOwner)
	if _, err := c.addUser(ctx, "evil@example.com", "", secret, "acct_2", roleOwner); err != nil {
		t.Fatal(err)
	}
	owner, evil := c.session("o@example.com"), c.session("evil@example.com")
	const victim = `{"email":"victim@example.com","role":"viewer"}`
	made := c.as(evil, "POST", "/v1/team", victim)
	b, _ := json.Marshal(map[string]string{"token": text(made.body, "invitation"), "password": secret})
	if a := c.do("POST", "/v1/auth/accept", string(b)); a.status != 204 {
		t.Fatalf("accept: %d %s", a.status, a.body)
	}
	stolen := c.session("victim@example.com")
	if a := c.as(owner, "POST", "/v1/team", victim); a.status != 409 || !strings.Contains(a.body, "USER_EXISTS") {
		t.Errorf("another account adds the user: %d %s", a.status, a.body)
	}
	if a := c.as(evil, "DELETE", "/v1/team/"+text(made.body, "id"), ""); a.status != 204 {
		t.Errorf("remove: %d", a.status)
	}
	if a := c.as(owner, "POST", "/v1/team", victim); a.status != 409 {
		t.Errorf("and after the user has left there: %d %s", a.status, a.body)
	}
	if a := c.as(evil, "POST", "/v1/team", victim); a.status != 201 || text(a.body, "invitation") != "" {
		t.Errorf("back where the user was made: %d %s", a.status, a.body)
	}
	user, err := c.addUser(ctx, "victim@example.com", "", "", "acct_1", roleEditor) // by the operator
	if err != nil || user.Password != "" {
		t.Errorf("the operator adds the user: %v, password %q", err, user.Password)
	}
	if a := c.login("victim@example.com", secret); a.status != 401 {
		t.Errorf("with the password of before: %d", a.status)
	}
	if a := c.as(stolen, "GET", "/v1/projects", ""); a.status != 401 {
		t.Errorf("with the session of before: %d", a.status)
	}
	token, err := c.logins.Invite(ctx, user.ID, c.now)
	if err != nil {
		t.Fatal(err)
	}
	b, _ = json.Marshal(map[string]string{"token": token, "password": secret})
	if a := c.do("POST", "/v1/auth/accept", string(b)); a.status != 204 {
		t.Fatalf("accept: %d %s", a.status, a.body)
	}
	// The user is where the operator has put them, and not where others have
	// prepared a place for them.
	if a := c.as(c.session("victim@example.com"), "GET", "/v1/whoami", ""); text(a.body, "account") != "acct_1" {
		t.Errorf("logged in to another's account: %s", a.body)
	}
	if a := c.as(evil, "POST", "/v1/team", victim); a.status != 201 || text(a.body, "invitation") != "" {
		t.Errorf("the account that made the user vouches for them still: %d %s", a.status, a.body)
	}
	// The operator's people are known to be who they are.
	if a := c.as(owner, "POST", "/v1/team", `{"email":"evil@example.com","role":"viewer"}`); a.status != 201 || text(a.body, "invitation") != "" {
		t.Errorf("somebody the operator knows: %d %s", a.status, a.body)
	}
}

// case A8: what a member loses, their sessions and their own keys lose within the
// bound; a key of the account loses nothing.
func TestMemberLoses(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir)
	owner := p.login(p.Email, p.Password)
	a := p.do("POST", "/v1/team", owner, `{"email":"e@example.com","role":"editor"}`)
	id := text(a.body, "id")
	b, _ := json.Marshal(map[string]string{"token": text(a.body, "invitation"), "password": secret})
	if a := p.do("POST", "/v1/auth/accept", "", string(b)); a.status != 204 {
		t.Fatalf("accept: %d %s", a.status, a.body)
	}
	session := p.login("e@example.com", secret)
	key := text(p.do("POST", "/v1/api-keys", session, `{"name":"mine","permissions":["read"]}`).body, "key")
	service := text(p.do("POST", "/v1/api-keys", owner, `{"name":"ours","permissions":["read"],"service":true}`).body, "key")
	kept, lost := "/v1/projects/"+p.ProjectIDs[0], "/v1/projects/"+p.ProjectIDs[1]
	expect := func(when string, want map[string][2]int) {
		t.Helper()
		for name, credential := range map[string]string{"session": session, "key": key, "service": service} {
			for i, path := range []string{kept, lost} {
				a := p.within(time.Second, path, credential, func(a answer) bool { return a.status == want[name][i] })
				if a.status != want[name][i] {
					t.Errorf("%s, %s: %s gives %d %s, want %d", when, name, path, a.status, a.body, want[name][i])
				}
			}
		}
	}
	expect("at first", map[string][2]int{"session": {200, 200}, "key": {200, 200}, "service": {200, 200}})
	if a := p.do("PATCH", "/v1/team/"+id, owner, `{"projects":["`+p.ProjectIDs[0]+`"]}`); a.status != 200 || !strings.Contains(a.body, `"projects":["`+p.ProjectIDs[0]+`"]`) {
		t.Fatalf("narrow: %d %s", a.status, a.body)
	}
	expect("narrowed", map[string][2]int{"session": {200, 403}, "key": {200, 403}, "service": {200, 200}})
	if a := p.do("DELETE", "/v1/team/"+id, owner, ""); a.status != 204 {
		t.Fatalf("remove: %d %s", a.status, a.body)
	}
	expect("removed", map[string][2]int{"session": {403, 403}, "key": {401, 401}, "service": {200, 200}})
	if a := p.do("POST", "/v1/team", owner, `{"email":"e@example.com","role":"editor"}`); a.status != 201 {
		t.Fatalf("back: %d %s", a.status, a.body)
	}
	expect("back", map[string][2]int{"session": {200, 200}, "key": {401, 401}, "service": {200, 200}})
}

// What the operator does with people on the command line.
func TestUsersByCommandLine(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir)
	cmd := program(t, dir, "users", "create", "--email", "new@example.com", "--name", "New\x1b[31m", "--account", p.AccountID, "--role", "editor", "--password-stdin")
	cmd.Stdin = strings.NewReader(secret + "\n")
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Contains(string(out), "invitation") {
		t.Fatalf("create: %v %s", err, out)
	}
	id := strings.TrimSpace(strings.TrimPrefix(string(out), "id:"))
	session := p.login("new@example.com", secret)
	if list := console(t, dir, "users", "list"); !strings.Contains(list, id) || !strings.Contains(list, "operator@example.com") || strings.Contains(list, "\x1b") {
		t.Errorf("list:\n%q", list)
	}
	invitation := func(out string) string {
		_, token, _ := strings.Cut(out, "invitation: ")
		token, _, _ = strings.Cut(token, "\n")
		return token
	}
	token := invitation(console(t, dir, "users", "invite", id))
	console(t, dir, "users", "suspend", id)
	if a := p.within(time.Second, "/v1/projects", session, func(a answer) bool { return a.status == 401 }); a.status != 401 {
		t.Errorf("suspended: %d", a.status)
	}
	console(t, dir, "users", "unsuspend", id)
	if a := p.do("POST", "/v1/auth/accept", "", `{"token":"`+token+`","password":"nine dry badgers whistle"}`); a.status != 400 {
		t.Errorf("an invitation of before the suspension: %d %s", a.status, a.body)
	}
	token = invitation(console(t, dir, "users", "invite", id))
	if a := p.do("POST", "/v1/auth/accept", "", `{"token":"`+token+`","password":"nine dry badgers whistle"}`); a.status != 204 {
		t.Errorf("a new one: %d %s", a.status, a.body)
	}
	p.login("new@example.com", "nine dry badgers whistle")
	out2 := console(t, dir, "users", "create", "--email", "ops@example.com", "--operator")
	if a := p.do("POST", "/v1/auth/accept", "", `{"token":"`+invitation(out2)+`","password":"`+secret+`"}`); a.status != 204 {
		t.Errorf("an operator: %d %s", a.status, a.body)
	}
	ops := p.login("ops@example.com", secret)
	if a := p.get("/v1/operator/accounts", ops); a.status != 200 || !strings.Contains(a.body, p.AccountID) {
		t.Errorf("what operators see: %d %s", a.status, a.body)
	}
	if a := p.get("/v1/projects", ops); a.status != 403 {
		t.Errorf("an operator is nobody's customer: %d", a.status)
	}
	for _, args := range [][]string{
		{"users", "create", "--email", "x@example.com", "--account", p.AccountID, "--role", "operator"},
		{"users", "create", "--email", "x@example.com", "--account", operators, "--role", "owner"},
		{"users", "create", "--email", "x", "--account", p.AccountID},
		{"users", "create", "--email", "x@b@example.com", "--account", p.AccountID},
		{"users", "create", "--email", "X <x@example.com>", "--account", p.AccountID},
		{"users", "create", "--email", "x@example.com", "--account", "acct_none"},
		{"users", "invite", "user_none"},
		{"users", "suspend", "user_none"},
	} {
		if out, err := program(t, dir, args...).CombinedOutput(); err == nil {
			t.Errorf("%v: %s", args, out)
		}
	}
}

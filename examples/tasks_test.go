package examples

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"medtwin.ai/tollgate/adapters/pgstore/pgtest"

	// What the programs are made of: see programs_test.go.
	_ "github.com/alexedwards/scs/v2"
	_ "medtwin.ai/tollgate/adapters/pgstore"
	_ "medtwin.ai/tollgate/portal"
)

const password = "glacier mango tutor velvet"

// loginOf has the first person of a program choose a password, and returns the
// Authorization of their session.
func (p *program) loginOf(t *testing.T, role string) string {
	t.Helper()
	token := after(p.run(t, "users", "invite", "ada@example.org", "acme", role), "invitation: ")
	p.send(t, 204, "POST", "/v1/auth/accept", `{"token":"`+token+`","password":"`+password+`"}`)
	return "Session " + p.send(t, 200, "POST", "/v1/auth/login", `{"email":"ada@example.org","password":"`+password+`"}`).field(t, "session_token")
}

// The first application of the adoption page: keys, limits, restart, and a person who
// makes, lists, rotates and revokes keys.
func TestNetHTTP(t *testing.T) {
	t.Parallel()
	p := build(t, "nethttp")
	id, key := p.makeKey(t, "--notes", "*")
	_, one := p.makeKey(t, "--notes", "1")
	bearer := "Bearer " + key
	p.serve(t)
	p.send(t, 200, "GET", "/health", "")
	p.send(t, 401, "GET", "/v1/notes", "")
	p.send(t, 200, "GET", "/v1/notes", "", "Authorization", bearer)
	p.send(t, 403, "POST", "/v1/notes", `{"text":"hello"}`, "Authorization", bearer)
	p.send(t, 403, "GET", "/v1/notes", "", "Authorization", "Bearer "+one)
	p.send(t, 404, "GET", "/v1/notes/1", "", "Authorization", "Bearer "+one) // in scope, and not there yet
	p.send(t, 403, "GET", "/v1/notes/2", "", "Authorization", "Bearer "+one)

	owner := p.loginOf(t, "owner")
	made := p.send(t, 201, "POST", "/v1/api-keys", `{"name":"mine","permissions":["read","write"]}`, "Authorization", owner)
	p.send(t, 201, "POST", "/v1/notes", `{"text":"hello"}`, "Authorization", "Bearer "+made.field(t, "key"))
	next := p.send(t, 201, "POST", "/v1/api-keys/"+made.field(t, "id")+"/rotate", "", "Authorization", owner)
	p.send(t, 200, "GET", "/v1/notes/1", "", "Authorization", "Bearer "+next.field(t, "key"))
	if list := p.send(t, 200, "GET", "/v1/api-keys", "", "Authorization", owner); strings.Count(list.body, `"id":"key_`) != 2 {
		t.Errorf("got the list %s, want the person's own two keys", list.body)
	}
	p.send(t, 204, "DELETE", "/v1/api-keys/"+next.field(t, "id"), "", "Authorization", owner)
	p.send(t, 401, "GET", "/v1/notes", "", "Authorization", "Bearer "+next.field(t, "key"))

	p.stop(t)
	p.serve(t)
	for range 60 {
		p.send(t, 200, "GET", "/v1/notes", "", "Authorization", bearer)
	}
	p.send(t, 429, "GET", "/v1/notes", "", "Authorization", bearer)
	p.run(t, "keys", "revoke", id)
	p.until(t, "the revoked key is refused", func() bool { return get(t, "http://"+p.addr+"/v1/notes", key) == http.StatusUnauthorized })
}

// The second application: it has a login of its own, whose people manage their keys.
func TestChiApp(t *testing.T) {
	t.Parallel()
	p := build(t, "chiapp")
	_, key := p.makeKey(t, "--projects", "p1")
	bearer := "Bearer " + key
	p.serve(t)
	p.send(t, 200, "GET", "/health", "")
	p.send(t, 401, "GET", "/me", "")
	p.send(t, 401, "GET", "/v1/projects/p1/reports/r1", "")
	p.send(t, 200, "GET", "/v1/projects/p1/reports/r1", "", "Authorization", bearer)
	p.send(t, 403, "GET", "/v1/projects/p2/reports/r1", "", "Authorization", bearer)
	p.send(t, 403, "PUT", "/v1/projects/p1/reports/r1", "", "Authorization", bearer)
	p.send(t, 403, "GET", "/v1/projects", "", "Authorization", bearer)

	res := must(http.PostForm("http://"+p.addr+"/login", url.Values{"email": {"ada@example.org"}, "password": {"secret"}}))(t)
	check(t, res.Body.Close())
	cookie := res.Cookies()[0].String()
	p.send(t, 200, "GET", "/me", "", "Cookie", cookie)
	made := p.send(t, 201, "POST", "/account/api-keys", `{"name":"mine","permissions":["read","write"],"scope":{"projects":["p2"]}}`, "Cookie", cookie)
	p.send(t, 403, "POST", "/account/api-keys", `{"name":"theirs","permissions":["read"]}`, "Cookie", cookie, "Origin", "https://evil.example")
	p.send(t, 204, "PUT", "/v1/projects/p2/reports/r1", "", "Authorization", "Bearer "+made.field(t, "key"))
	next := p.send(t, 201, "POST", "/account/api-keys/"+made.field(t, "id")+"/rotate", "", "Cookie", cookie)
	p.send(t, 200, "GET", "/account/api-keys", "", "Cookie", cookie)
	p.send(t, 204, "DELETE", "/account/api-keys/"+next.field(t, "id"), "", "Cookie", cookie)
	p.send(t, 401, "GET", "/v1/projects/p2/reports/r1", "", "Authorization", "Bearer "+next.field(t, "key"))

	p.stop(t)
	p.serve(t)
	p.send(t, 200, "GET", "/v1/projects/p1/reports/r1", "", "Authorization", bearer)
}

// A session in a cookie opens the page, and no other page can use it.
func TestCookie(t *testing.T) {
	t.Parallel()
	p := build(t, "cookie")
	p.serve(t)
	p.loginOf(t, "owner")
	p.send(t, 401, "GET", "/", "")
	if page := p.send(t, 200, "GET", "/login", ""); !strings.Contains(page.body, "/v1/auth/login") {
		t.Errorf("got the page %s", page.body)
	}
	body := `{"email":"ada@example.org","password":"` + password + `","cookie":true}`
	p.send(t, 403, "POST", "/v1/auth/login", body, "Sec-Fetch-Site", "cross-site")
	in := p.send(t, 200, "POST", "/v1/auth/login", body)
	if strings.Contains(in.body, "session_token") || len(in.cookies) == 0 || !in.cookies[0].HttpOnly {
		t.Fatalf("got %s and %v, want the token in a cookie alone", in.body, in.cookies)
	}
	var all []string
	for _, c := range in.cookies {
		all = append(all, c.Name+"="+c.Value)
	}
	cookies := strings.Join(all, "; ")
	if home := p.send(t, 200, "GET", "/", "", "Cookie", cookies); !strings.Contains(home.body, "act for acme") {
		t.Errorf("got %s", home.body)
	}
	p.send(t, 403, "POST", "/v1/auth/logout", "", "Cookie", cookies, "Sec-Fetch-Site", "cross-site")
	p.send(t, 204, "POST", "/v1/auth/logout", "", "Cookie", cookies, "Sec-Fetch-Site", "same-origin")
	p.send(t, 401, "GET", "/", "", "Cookie", cookies)
}

// A key that one process revokes is refused by the other, and a process that is told to
// stop does so in order.
func TestFleet(t *testing.T) {
	t.Parallel()
	db := must(pgtest.Start(pgtest.Config{}))(t)
	t.Cleanup(func() { db.Close() })
	first, second := build(t, "fleet"), build(t, "fleet")
	second.dir = first.dir // the same secrets
	for _, p := range []*program{first, second} {
		p.env = []string{"DATABASE=" + db.URL(), "ADDRESS=" + p.addr}
	}
	first.run(t, "migrate")
	id, key := first.makeKey(t)
	for _, p := range []*program{first, second} {
		p.serve(t)
		p.send(t, 200, "GET", "/v1/reports", "", "Authorization", "Bearer "+key)
	}
	began := time.Now()
	first.run(t, "keys", "revoke", id)
	for _, p := range []*program{first, second} {
		p.until(t, "the revoked key is refused", func() bool { return get(t, "http://"+p.addr+"/v1/reports", key) == http.StatusUnauthorized })
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the key was refused after %v", took)
	}
	check(t, first.running.Process.Signal(os.Interrupt))
	if err := first.running.Wait(); err != nil {
		t.Errorf("stopping: got %v, want none\n%s", err, &first.output)
	}
}

// Keys of another system work, and are digested anew at their first use.
func TestImportKeys(t *testing.T) {
	t.Parallel()
	p := build(t, "importkeys")
	sum := sha256.Sum256([]byte("old_secret_of_ada"))
	for _, want := range []string{"1 keys imported", "0 keys imported"} {
		cmd := p.command("import")
		cmd.Stdin = strings.NewReader("ada," + hex.EncodeToString(sum[:]) + "\n")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), want) {
			t.Fatalf("got %s, %v, want %q", out, err, want)
		}
	}
	p.serve(t)
	for range 2 {
		p.send(t, 200, "GET", "/v1/reports", "", "Authorization", "Bearer old_secret_of_ada")
	}
	p.send(t, 401, "GET", "/v1/reports", "", "Authorization", "Bearer old_secret_of_eve")
	p.until(t, "the key is under the newest pepper", func() bool { return strings.HasPrefix(p.run(t, "keys", "outdated"), "0 keys") })
}

// A client replaces its key, and no request fails meanwhile.
func TestRotate(t *testing.T) {
	t.Parallel()
	api, client := build(t, "nethttp"), build(t, "rotate")
	api.serve(t)
	owner := api.loginOf(t, "owner")
	made := api.send(t, 201, "POST", "/v1/api-keys", `{"name":"client","permissions":["read"]}`, "Authorization", owner)
	old := made.field(t, "key")
	file := filepath.Join(client.dir, "key")
	check(t, os.WriteFile(file, []byte(old+"\n"), 0o600))
	args := []string{"http://" + api.addr, strings.TrimPrefix(owner, "Session "), made.field(t, "id"), file}
	client.run(t, args...)
	key := strings.TrimSpace(string(must(os.ReadFile(file))(t)))
	if key == old {
		t.Error("got the old key, want its successor")
	}
	for _, k := range []string{old, key} { // the old one has its grace period
		api.send(t, 200, "GET", "/v1/notes", "", "Authorization", "Bearer "+k)
	}
	if out, err := client.command(args...).CombinedOutput(); err == nil || !strings.Contains(string(out), "was shown before") {
		t.Errorf("again: got %s, %v, want that the key was shown", out, err)
	}
}

// Sessions of another library say who is logged in; keys work beside them.
func TestSCS(t *testing.T) {
	t.Parallel()
	p := build(t, "scs")
	p.serve(t)
	p.send(t, 401, "GET", "/v1/reports", "")
	res := must(http.PostForm("http://"+p.addr+"/login", url.Values{"user": {"ada"}, "password": {"secret"}}))(t)
	check(t, res.Body.Close())
	cookie := res.Cookies()[0].Name + "=" + res.Cookies()[0].Value
	p.send(t, 200, "GET", "/v1/reports", "", "Cookie", cookie)
	made := p.send(t, 201, "POST", "/v1/api-keys", `{"name":"mine","permissions":["read"]}`, "Cookie", cookie)
	p.send(t, 200, "GET", "/v1/reports", "", "Authorization", "Bearer "+made.field(t, "key"))
	p.send(t, 403, "POST", "/v1/api-keys", `{"name":"theirs","permissions":["read"]}`, "Cookie", cookie, "Sec-Fetch-Site", "cross-site")
}

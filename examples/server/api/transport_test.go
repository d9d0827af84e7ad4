package api

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/authz"
)

// cookieOf returns the one cookie of that name that an answer sets.
func cookieOf(t *testing.T, a answer, name string) *http.Cookie {
	t.Helper()
	var found []*http.Cookie
	for _, c := range (&http.Response{Header: a.header}).Cookies() {
		if c.Name == name {
			found = append(found, c)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d cookies %s in %v", len(found), name, a.header)
	}
	return found[0]
}

// cookie logs in with a cookie and returns it as a browser sends it.
func (c *clocked) cookie(email string) string {
	c.t.Helper()
	a := c.do("POST", "/v1/auth/login", `{"email":"`+email+`","password":"`+secret+`","cookie":true}`)
	if a.status != 200 {
		c.t.Fatalf("login: %d %s", a.status, a.body)
	}
	return tollgate.SessionCookie + "=" + cookieOf(c.t, a, tollgate.SessionCookie).Value
}

// case S16: the exact attributes of the cookie, and a body without the token.
func TestCookieLogin(t *testing.T) {
	c := newClocked(t, "standard", "")
	c.person("o@example.com", roleOwner)
	const body = `{"email":"o@example.com","password":"` + secret + `","cookie":true}`
	a := c.do("POST", "/v1/auth/login", body)
	if a.status != 200 || a.body != `{"expires_at":"2026-12-21T09:00:00Z"}` || a.header.Get("Cache-Control") != "private, no-store" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	set := cookieOf(t, a, tollgate.SessionCookie)
	if want := tollgate.SessionCookie + "=" + set.Value + "; Path=/; Expires=Mon, 21 Dec 2026 09:00:00 GMT; Max-Age=2592000; HttpOnly; Secure; SameSite=Lax"; set.Raw != want {
		t.Errorf("%s\nwant %s", set.Raw, want)
	}
	planted := tollgate.SessionCookie + "=" + set.Value
	again := c.do("POST", "/v1/auth/login", body, "Cookie", planted) // case S6
	if v := cookieOf(t, again, tollgate.SessionCookie).Value; v == set.Value || v == "" {
		t.Errorf("a login with a cookie that was there: %q", v)
	}
	out := c.do("POST", "/v1/auth/logout", "", "Cookie", planted)
	if cleared := cookieOf(t, out, tollgate.SessionCookie); out.status != 204 || cleared.MaxAge >= 0 || cleared.Value != "" || !cleared.Secure || !cleared.HttpOnly {
		t.Errorf("logout: %d %v", out.status, cleared)
	}
	if a := c.do("GET", "/v1/projects", "", "Cookie", planted); a.status != 401 || a.header.Get("Set-Cookie") != "" { // case S14
		t.Errorf("after it: %d %v", a.status, a.header)
	}
}

// Which credential counts, where there are several or none.
func TestTransport(t *testing.T) {
	c := newClocked(t, "standard", "")
	c.person("o@example.com", roleOwner)
	session, cookie := c.session("o@example.com"), c.cookie("o@example.com")
	token, value := session[len("Session "):], cookie[len(tollgate.SessionCookie)+1:]
	bad := session[:len(session)-1] + "~"
	for _, tt := range []struct {
		name   string
		path   string
		header []string
		status int
		body   string // of a 401
	}{
		{"header", "/v1/projects", []string{"Authorization", session}, 200, ""},
		{"bearer", "/v1/projects", []string{"Authorization", "Bearer " + token}, 200, ""},
		{"cookie", "/v1/projects", []string{"Cookie", cookie}, 200, ""},
		{"two headers", "/v1/projects", []string{"Authorization", session, "Authorization", session}, 400, ""},                      // case S1
		{"bad header, good cookie", "/v1/projects", []string{"Authorization", bad, "Cookie", cookie}, 401, badSession},              // case S2
		{"two cookies", "/v1/projects", []string{"Cookie", cookie + "; " + cookie}, 401, badSession},                                // case S3
		{"cookie's token in a header", "/v1/projects", []string{"Authorization", "Session " + value}, 401, badSession},              // case S4
		{"header's token in a cookie", "/v1/projects", []string{"Cookie", tollgate.SessionCookie + "=" + token}, 401, badSession},   // case S4
		{"query string", "/v1/projects?session_token=" + token + "&access_token=" + token + "&token=" + token, nil, 401, nested401}, // case S5
		{"a key as a session", "/v1/projects", []string{"Authorization", "Session " + c.key}, 401, badSession},                      // case A4
	} {
		a := c.do("GET", tt.path, "", tt.header...)
		if a.status != tt.status || a.status == 401 && a.body != tt.body || a.header.Get("Set-Cookie") != "" {
			t.Errorf("%s: %d %s %v, want %d", tt.name, a.status, a.body, a.header, tt.status)
		}
		if challenge := a.header.Get("WWW-Authenticate"); tt.status == 401 && !strings.HasPrefix(challenge, "Bearer ") {
			t.Errorf("%s: WWW-Authenticate %q", tt.name, challenge)
		}
	}
}

// case S14: a user who logs out is logged out; a request that cannot be
// understood gets an answer that says so; a key is not touched.
func TestLogout(t *testing.T) {
	c := newClocked(t, "standard", "")
	c.person("o@example.com", roleOwner)
	session, cookie := c.session("o@example.com"), c.cookie("o@example.com")
	unknown := "Session " + c.session0()
	expired := c.session("o@example.com")
	logout := func(header ...string) answer { return c.do("POST", "/v1/auth/logout", "", header...) }
	if a := logout("Cookie", cookie+"; "+cookie); a.status != 401 || a.header.Get("Set-Cookie") != "" {
		t.Errorf("two cookies: %d %v", a.status, a.header)
	}
	if a := logout("Authorization", session, "Authorization", session); a.status != 400 {
		t.Errorf("two headers: %d", a.status)
	}
	if a := logout("Cookie", cookie, "Sec-Fetch-Site", "cross-site"); a.status != 403 || a.header.Get("Set-Cookie") != "" { // case S17
		t.Errorf("from another site: %d %v", a.status, a.header)
	}
	for _, tt := range []struct{ name, auth string }{{"good", session}, {"good, twice", session}, {"unknown", unknown}, {"malformed", "Session x"}, {"a key", "Bearer " + c.key}} {
		t.Run(tt.name, func(t *testing.T) {
			if a := logout("Authorization", tt.auth, "Cookie", cookie); a.status != 204 || a.header.Get("Set-Cookie") != "" {
				t.Errorf("%d %v", a.status, a.header)
			}
		})
	}
	if a := logout(); a.status != 204 {
		t.Errorf("without anything, as with a cookie the second time: %d", a.status)
	}
	if a := c.do("GET", "/v1/projects", "", "Cookie", cookie); a.status != 200 {
		t.Errorf("the cookie's session after all that: %d", a.status)
	}
	if rec := c.get(); rec.Code != 200 {
		t.Errorf("the key: %d", rec.Code)
	}
	c.now = c.now.Add(31 * 24 * time.Hour)
	if a := logout("Authorization", expired); a.status != 204 {
		t.Errorf("expired: %d %s", a.status, a.body)
	}
}

// fromApp lets the pages of an application use cookies.
func fromApp(c *config) { c.origins = "https://app.example.com" }

// session0 is a token that nobody has.
func (c *clocked) session0() string { return tokenOf("sess_") }

// case S15: while the store is down, no user hears that their session, password
// or log-out is bad.
func TestStoreDown(t *testing.T) {
	c := clockedOn(t, "sqlite:"+filepath.Join(t.TempDir(), "db"), "standard", "")
	c.person("o@example.com", roleOwner)
	session := c.session("o@example.com")
	c.Close()
	for _, tt := range []struct {
		name string
		a    answer
	}{
		{"session", c.do("GET", "/v1/projects", "", "Authorization", session)},
		{"login", c.login("o@example.com", secret)},
		{"logout", c.do("POST", "/v1/auth/logout", "", "Authorization", session)},
		{"accept", c.do("POST", "/v1/auth/accept", `{"token":"x","password":"x"}`)},
	} {
		want := 503
		if tt.name == "accept" {
			want = 400 // whose invitation it is follows from its signature
		}
		if tt.a.status != want || want == 503 && tt.a.header.Get("Retry-After") == "" || tt.a.header.Get("Set-Cookie") != "" {
			t.Errorf("%s: %d %s %v", tt.name, tt.a.status, tt.a.body, tt.a.header)
		}
	}
}

// case S17: what changes something with a cookie comes from a page that may.
func TestCrossOrigin(t *testing.T) {
	c := newClocked(t, "standard", "", fromApp)
	c.person("o@example.com", roleOwner)
	session, cookie := c.session("o@example.com"), c.cookie("o@example.com")
	foreign := []string{"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"}
	trusted := []string{"Origin", "https://app.example.com", "Sec-Fetch-Site", "same-site"}
	project, login := `{"name":"x"}`, `{"email":"o@example.com","password":"`+secret+`"}`
	minting := strings.Replace(login, "}", `,"cookie":true}`, 1)
	for _, tt := range []struct {
		name, method, path, body string
		header                   []string
		status                   int
	}{
		{"read from a foreign page", "GET", "/v1/projects", "", append(foreign, "Cookie", cookie), 200}, // which cannot read the answer
		{"change from a foreign page", "POST", "/v1/projects", project, append(foreign, "Cookie", cookie), 403},
		{"change from a foreign page of old", "POST", "/v1/projects", project, []string{"Origin", "https://evil.example", "Cookie", cookie}, 403},
		{"change from a page that is trusted", "POST", "/v1/projects", project, append(trusted, "Cookie", cookie), 201},
		{"change without a page", "POST", "/v1/projects", project, []string{"Cookie", cookie}, 201},
		{"change with a header from anywhere", "POST", "/v1/projects", project, append(foreign, "Authorization", session), 201},
		{"login with a cookie from a foreign page", "POST", "/v1/auth/login", minting, foreign, 403},
		{"login with a cookie from a page that is trusted", "POST", "/v1/auth/login", minting, trusted, 200},
		{"login with a cookie by curl", "POST", "/v1/auth/login", minting, nil, 200},
		{"login without a cookie from a foreign page", "POST", "/v1/auth/login", login, foreign, 200},
		{"WebSocket from a foreign page", "GET", "/v1/projects", "", append(foreign, "Cookie", cookie, "Connection", "Upgrade", "Upgrade", "websocket"), 403},
	} {
		a := c.do(tt.method, tt.path, tt.body, tt.header...)
		if a.status != tt.status || tt.status == 403 && (a.header.Get("X-Denied-Reason") != "cross_origin" || a.header.Get("Set-Cookie") != "") {
			t.Errorf("%s: %d %s %v, want %d", tt.name, a.status, a.body, a.header, tt.status)
		}
		allowed := a.header.Get("Access-Control-Allow-Origin")
		if fromTrusted := len(tt.header) > 1 && tt.header[1] == trusted[1]; fromTrusted != (allowed == trusted[1]) || allowed == "*" {
			t.Errorf("%s: Access-Control-Allow-Origin %q", tt.name, allowed)
		}
	}
}

// Pages of an allowed origin may send what the API reads, and read its limits.
func TestCORS(t *testing.T) {
	c := newClocked(t, "standard", "", fromApp)
	a := c.do("OPTIONS", "/v1/api-keys", "", "Origin", "https://app.example.com",
		"Access-Control-Request-Method", "PATCH", "Access-Control-Request-Headers", "authorization,content-type,idempotency-key,x-environment")
	if a.status != 204 || a.header.Get("Access-Control-Allow-Credentials") != "true" || a.header.Get("Access-Control-Allow-Origin") != "https://app.example.com" {
		t.Errorf("preflight: %d %v", a.status, a.header)
	}
	a = c.do("GET", "/v1/rubrics", "", "Origin", "https://app.example.com", "Authorization", "Bearer "+c.key)
	exposed := strings.ToLower(a.header.Get("Access-Control-Expose-Headers"))
	for _, name := range []string{"X-RateLimit-Remaining", "RateLimit", "X-Request-Id"} {
		if a.header.Get(name) == "" || !strings.Contains(exposed, strings.ToLower(name)) {
			t.Errorf("%s: %q, exposed: %s", name, a.header.Get(name), exposed)
		}
	}
	if a := c.do("OPTIONS", "/v1/api-keys", "", "Origin", "https://evil.example", "Access-Control-Request-Method", "PATCH"); a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("preflight from a foreign page: %d %v", a.status, a.header)
	}
	for _, bad := range []string{"*", "https://*.example.com", "http://app.example.com", "app.example.com", "https://app.example.com/"} {
		config := c.config
		config.database, config.origins = "memory", bad
		s, err := newServer(t.Context(), config, slog.New(slog.DiscardHandler))
		if err == nil {
			_, err = s.handler()
			s.Close()
		}
		if err == nil {
			t.Errorf("%s is taken for an origin", bad)
		}
	}
}

// case S18: what handlers do with the connection works behind the whole chain.
func TestStreaming(t *testing.T) {
	c := newClocked(t, "standard", "", fromApp)
	goOn := make(chan bool)
	c.gate.Handle("GET /events", authz.Need{ID: "events", Permission: read}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 2 {
			fmt.Fprintf(w, "data: %d\n\n", i)
			w.(http.Flusher).Flush()
			<-goOn
		}
	}))
	c.gate.Handle("GET /socket", authz.Need{ID: "socket", Permission: read}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, both, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		both.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		both.Flush()
		line, _ := both.ReadString('\n')
		both.WriteString("echo " + line)
		both.Flush()
	}))
	srv := httptest.NewServer(c.handler)
	defer srv.Close()
	c.person("o@example.com", roleOwner)
	cookie := c.cookie("o@example.com")
	get := func(path string, header ...string) *http.Response {
		t.Helper()
		r, _ := http.NewRequest("GET", srv.URL+path, nil)
		r.Header.Set("Cookie", cookie)
		for i := 0; i+1 < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { res.Body.Close() })
		return res
	}
	res := get("/events")
	lines := bufio.NewReader(res.Body)
	for i := range 2 { // each comes while the handler waits
		line, err := lines.ReadString('\n')
		if want := fmt.Sprintf("data: %d\n", i); err != nil || line != want {
			t.Errorf("event %d: %q, %v", i, line, err)
		}
		lines.ReadString('\n')
		goOn <- true
	}
	if res.StatusCode != 200 || res.Header.Get("X-RateLimit-Remaining") == "" || res.Header.Get("X-Request-Id") == "" {
		t.Errorf("events: %d %v", res.StatusCode, res.Header)
	}
	upgrade := []string{"Connection", "Upgrade", "Upgrade", "websocket"}
	res = get("/socket", append(upgrade, "Origin", "https://app.example.com")...)
	socket, ok := res.Body.(io.ReadWriter)
	if res.StatusCode != 101 || !ok {
		t.Fatalf("socket: %d %v", res.StatusCode, res.Header)
	}
	io.WriteString(socket, "hello\n")
	if line, err := bufio.NewReader(socket).ReadString('\n'); line != "echo hello\n" {
		t.Errorf("socket: %q, %v", line, err)
	}
	if res := get("/socket", append(upgrade, "Origin", "https://evil.example")...); res.StatusCode != 403 { // case S17
		t.Errorf("socket from a foreign page: %d", res.StatusCode)
	}
}

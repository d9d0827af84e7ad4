package api

import (
	"bufio"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// case T7: slow clients, oversized headers and bodies, unknown fields and
// trailing data are bounded and refused.
func TestBounds(t *testing.T) {
	p := start(t, t.TempDir())
	for _, tt := range []struct {
		name, body string
		header     []string
		status     int
	}{
		{"large header", `{"name":"x"}`, []string{"X-Padding", strings.Repeat("x", 1<<20)}, 431},
		{"large body", `{"name":"` + strings.Repeat("x", 1<<20) + `"}`, nil, 413},
		{"unknown field", `{"name":"x","account":"acct_1"}`, nil, 400}, // case A6
		{"trailing data", `{"name":"x"} {}`, nil, 400},
		{"not an object", `["x"]`, nil, 400},
		{"null", `null`, nil, 400},
		{"a number", `1`, nil, 400},
		{"nested", `{"name":"x","description":` + strings.Repeat(`{"a":`, 1500) + `1` + strings.Repeat(`}`, 1500) + `}`, nil, 400},
		{"not JSON", `name=x`, nil, 400},
		{"not said to be JSON", `{"name":"x"}`, []string{"Content-Type", "text/plain"}, 415},
		{"no name", `{}`, nil, 400},
		{"name of another type", `{"name":1}`, nil, 400},
		{"long name", `{"name":"` + strings.Repeat("x", 201) + `"}`, nil, 400},
	} {
		for _, c := range []struct{ method, path string }{{"POST", "/v1/projects"}, {"PATCH", "/v1/projects/" + p.ProjectIDs[0]}} {
			if c.method == "PATCH" && tt.name == "no name" {
				continue // nothing to change is fine
			}
			if a := p.do(c.method, c.path, p.LiveKey, tt.body, tt.header...); a.status != tt.status {
				t.Errorf("%s, %s: %d %s, want %d", c.method, tt.name, a.status, a.body, tt.status)
			}
		}
	}
	if a := p.get("/v1/projects", p.LiveKey); a.status != 200 || !strings.Contains(a.body, "Study A (live)") {
		t.Errorf("after all that: %d %s", a.status, a.body)
	}
	for _, query := range []string{"limit=0", "limit=201", "limit=x", "limit=-1"} {
		if a := p.get("/v1/projects?"+query, p.LiveKey); a.status != 400 {
			t.Errorf("%s: %d", query, a.status)
		}
	}
}

// case T7: a client that sends its headers a byte at a time is cut off.
func TestSlowClient(t *testing.T) {
	p := start(t, t.TempDir())
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.BaseURL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: "); err != nil {
		t.Fatal(err)
	}
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.Copy(io.Discard, conn); err != nil {
		t.Errorf("the connection is still open after 10 s: %v", err)
	}
}

// case A13: no spelling of a path opens a wider scope.
func TestPaths(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir)
	_, scoped := makeKey(t, dir, "--projects", p.ProjectIDs[0])
	mine, other := p.ProjectIDs[0], p.ProjectIDs[1]
	for _, path := range []string{
		"/v1/projects/" + mine + "/../" + other,
		"/v1/projects/" + mine + "%2F..%2F" + other,
		"/v1/projects/..%2F" + other,
		"/v1/projects/%2e%2e/" + other,
		"/v1/projects/" + mine + "/%2e%2e/" + other,
		"/v1/projects/" + other + "%00",
		"/v1/projects//" + other,
		"/v1/projects/" + other + "/",
		"/v1/projects/" + strings.ToUpper(other),
		"/V1/projects/" + other,
		"//v1/projects/" + other,
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(p.BaseURL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer "+scoped+"\r\n\r\n")
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		conn.Close()
		if res.StatusCode == 200 || strings.Contains(string(body), "Study B") {
			t.Errorf("%s: %d %s", path, res.StatusCode, body)
		}
	}
	for _, override := range []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"} {
		_, reader := makeKey(t, dir, "--permissions", "read")
		if a := p.get("/v1/projects/"+mine, reader, override, "DELETE"); a.status != 200 {
			t.Errorf("%s: %d", override, a.status)
		}
	}
	if a := p.get("/v1/projects/"+mine, p.LiveKey); a.status != 200 {
		t.Errorf("the project is gone: %d", a.status)
	}
	if a := p.do("HEAD", "/v1/projects/"+other, scoped, ""); a.status != 403 {
		t.Errorf("HEAD for GET: %d", a.status)
	}
}

// cases T1, T2, T4 and K5: after good keys, bad keys and errors, none of them
// is in the log or in any file of the database, and no list shows a digest.
func TestNothingIsDisclosed(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir)
	id, made := makeKey(t, dir)
	mistyped := made[:len(made)-1] + "~"
	for _, key := range []string{p.LiveKey, p.TestKey, made, mistyped} {
		p.get("/v1/whoami", key)
		p.get("/v1/rubrics?access_token="+mistyped, key)
		p.do("POST", "/v1/projects", key, `{"name":1}`)
	}
	listing := console(t, dir, "keys", "list", "--account", p.AccountID)
	who := p.get("/v1/whoami", made).body
	console(t, dir, "keys", "revoke", id)
	p.get("/v1/whoami", made)
	p.stop()
	haystacks := map[string]string{"log": p.logs.String(), "key list": listing, "whoami": who}
	shown := listing + who
	for _, sum := range digests(t, filepath.Join(dir, "tollgate.db")) {
		for _, form := range []string{hex.EncodeToString(sum), base64.StdEncoding.EncodeToString(sum), fmt.Sprint(sum)} {
			if strings.Contains(shown, strings.Trim(form, "[]=")) {
				t.Errorf("a digest is shown: %s", form)
			}
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "tollgate.db*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no database files: %v", err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		haystacks[filepath.Base(f)] = string(text)
	}
	for where, text := range haystacks {
		for _, key := range []string{p.LiveKey, p.TestKey, made} {
			if body := key[len("mt_live_"):]; strings.Contains(text, body[:23]) {
				t.Errorf("a key is in the %s", where)
			}
		}
		if strings.Contains(strings.ToLower(text), "digest") && !strings.HasPrefix(where, "tollgate.db") {
			t.Errorf("the %s speaks of digests", where)
		}
	}
	if !strings.Contains(p.logs.String(), `"request_id"`) {
		t.Error("the log has no request ids")
	}
}

// digests returns all that the database holds.
func digests(t *testing.T, path string) (sums [][]byte) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query(`SELECT sum FROM keys`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var sum []byte
		if err := rows.Scan(&sum); err != nil {
			t.Fatal(err)
		}
		sums = append(sums, sum)
	}
	if len(sums) == 0 {
		t.Fatal("the database holds no keys")
	}
	return sums
}

// case T2: a flood of refusals is not a flood of lines; and a key in a place
// where it does not belong, a path or a method, is not logged either.
func TestFlood(t *testing.T) {
	p := start(t, t.TempDir())
	for range 300 {
		p.get("/v1/rubrics", "mt_live_wrong")
	}
	p.get("/v1/rubrics/"+p.LiveKey, p.LiveKey)
	p.do(p.LiveKey, "/v1/rubrics", p.LiveKey, "")
	p.stop()
	if n := strings.Count(p.logs.String(), "\n"); n > 100 {
		t.Errorf("%d lines for 300 refusals", n)
	}
	if strings.Contains(p.logs.String(), p.LiveKey[8:]) {
		t.Error("the key is in the log")
	}
}

// case T6: without the demo there is no account and no key.
func TestNoDemo(t *testing.T) {
	dir := t.TempDir()
	cmd := program(t, dir, "--listen", "127.0.0.1:0", "--demo=false", "--demo-file", "demo.json")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil || !strings.HasPrefix(line, "serving on ") {
		t.Fatalf("%v, %q", err, line)
	}
	if out, err := given(t, dir, "", "accounts", "list"); err == nil || !strings.Contains(out, "this store holds no account") {
		t.Errorf("there are accounts:\n%s", out)
	}
	if _, err := os.Stat(filepath.Join(dir, "demo.json")); err == nil {
		t.Error("there is a demo file")
	}
}

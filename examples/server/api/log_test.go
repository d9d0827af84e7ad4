package api

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

// A logLine is an object of a server's log.
type logLine map[string]any

// lines returns the lines of a log, but for one that is being written.
func (l *lockedLog) lines(t *testing.T) (lines []logLine) {
	t.Helper()
	for text := range strings.Lines(l.String()) {
		if !strings.HasSuffix(text, "\n") {
			break
		}
		var line logLine
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatalf("%v in %q", err, text)
		}
		lines = append(lines, line)
	}
	return lines
}

// about returns the lines with that message and that request id, "" for any.
func about(lines []logLine, msg, id string) (found []logLine) {
	for _, l := range lines {
		if l["msg"] == msg && (id == "" || l["request_id"] == id) {
			found = append(found, l)
		}
	}
	return found
}

// case T11: every refusal is in the log under its request id, with the client's
// address by the resolver; a failed login has the user whose password it was
// not. Every line has the instance and the version, and durations their unit.
func TestLogTellsOfRefusals(t *testing.T) {
	const client = "203.0.113.9"
	p := start(t, t.TempDir(), "--trusted-proxies", "127.0.0.0/8")
	owner := p.login(p.Email, p.Password)
	scoped := p.do("POST", "/v1/api-keys", owner, `{"name":"read","permissions":["read"]}`).member(t, "key")
	for _, tt := range []struct {
		name, method, path, token, body string
		status                          int
		want                            logLine // of the request's own line
		reason                          string  // the library's line, if there is one
	}{
		{"no key", "GET", "/v1/projects", "", "", 401, logLine{"code": "unauthorized"}, "request refused"},
		{"unknown key", "GET", "/v1/rubrics", "mt_live_wrong", "", 401, logLine{"code": "unauthorized"}, "request refused"},
		{"permission", "POST", "/v1/projects", scoped, `{"name":"x"}`, 403, logLine{"account": p.AccountID}, ""},
		{"missing", "GET", "/v1/projects/proj_none", scoped, "", 404, logLine{"account": p.AccountID}, ""},
		{"bad body", "POST", "/v1/api-keys", owner, `{`, 400, logLine{"account": p.AccountID}, ""},
		{"no route", "GET", "/v2", "", "", 404, nil, ""},
		{"wrong password", "POST", "/v1/auth/login", "", credentialsBody(p.Email, "not the password at all"), 401, nil, "login failed"},
		{"nobody", "POST", "/v1/auth/login", "", credentialsBody("nobody@example.com", "not the password at all"), 401, nil, "login failed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := p.do(tt.method, tt.path, tt.token, tt.body, "X-Forwarded-For", client)
			id := a.header.Get("X-Request-Id")
			if a.status != tt.status || id == "" {
				t.Fatalf("got %d and id %q, want %d", a.status, id, tt.status)
			}
			tt.want = merge(tt.want, logLine{"client": client, "status": float64(tt.status)})
			p.eventually(t, "request", id, tt.want)
			if tt.reason != "" {
				p.eventually(t, tt.reason, id, logLine{"client": client})
			}
		})
	}
	lines := p.logs.lines(t)
	failed := about(lines, "login failed", "")
	if len(failed) != 2 || !strings.HasPrefix(failed[0]["user"].(string), "user_") || failed[1]["user"] != "" {
		t.Errorf("got %v, want the user's id and none", failed)
	}
	for _, l := range lines {
		if l["instance"] == "" || l["instance"] != lines[0]["instance"] || l["version"] == "" || l["version"] == nil {
			t.Errorf("got %v, want an instance, the same as in other lines, and a version", l)
		}
	}
	serving := about(lines, "serving", "")
	if len(serving) != 1 || serving[0]["max_revocation_delay"] == nil {
		t.Fatalf("got %v of serving", serving)
	}
	if _, err := time.ParseDuration(serving[0]["max_revocation_delay"].(string)); err != nil {
		t.Errorf("got %v, want a duration with its unit", serving[0]["max_revocation_delay"])
	}
	if took, ok := about(lines, "request", "")[0]["took_ms"].(float64); !ok || took <= 0 {
		t.Errorf("got took_ms %v", took)
	}
	if strings.Contains(p.logs.String(), "not the password") || strings.Contains(p.logs.String(), "nobody@") {
		t.Error("what was typed is in the log")
	}
}

func merge(a, b logLine) logLine {
	m := make(logLine)
	for _, l := range []logLine{a, b} {
		for k, v := range l {
			m[k] = v
		}
	}
	return m
}

// eventually waits for a line, which is written after the answer, and compares
// the first that there is.
func (p *process) eventually(t *testing.T, msg, id string, want logLine) {
	t.Helper()
	line := p.says(t, msg, func(l logLine) bool { return id == "" || l["request_id"] == id })
	for k, v := range want {
		if line != nil && !reflect.DeepEqual(line[k], v) {
			t.Errorf("%s of %q: got %v, want %v", k, msg, line[k], v)
		}
	}
}

// says waits for a line with that message that is ok, and returns it.
func (p *process) says(t *testing.T, msg string, ok func(logLine) bool) logLine {
	t.Helper()
	deadline := time.After(10 * time.Second)
	every := time.NewTicker(10 * time.Millisecond)
	defer every.Stop()
	for {
		for _, l := range about(p.logs.lines(t), msg, "") {
			if ok(l) {
				return l
			}
		}
		select {
		case <-every.C:
		case <-deadline:
			t.Errorf("no such line %q:\n%s", msg, p.logs)
			return nil
		}
	}
}

// A flood of refusals leaves ten lines a second, and all of them at debug level;
// what strangers are refused does not hide what customers are.
func TestLogLevel(t *testing.T) {
	for _, tt := range []struct {
		level string
		most  int // lines of 60 refusals
		least int
	}{{"debug", 60, 60}, {"info", 50, 1}, {"error", 0, 0}} {
		t.Run(tt.level, func(t *testing.T) {
			p := start(t, t.TempDir(), "--log-level", tt.level, "--trusted-proxies", "127.0.0.0/8")
			for range 60 {
				p.get("/v1/rubrics", "mt_live_wrong")
			}
			a := p.get("/v1/rubrics/rub_none", p.LiveKey, "X-Forwarded-For", "203.0.113.9") // the others do not hold it up
			p.stop()
			lines := p.logs.lines(t)
			n := 0
			for _, l := range about(lines, "request", "") {
				if l["account"] == nil {
					n++
				}
			}
			if n < tt.least || n > tt.most {
				t.Errorf("got %d lines of 60 refusals, want %d to %d", n, tt.least, tt.most)
			}
			if got := len(about(lines, "request", a.header.Get("X-Request-Id"))); got != min(1, tt.least) {
				t.Errorf("got %d lines of a customer's refusal", got)
			}
		})
	}
	if out, err := program(t, t.TempDir(), "--log-level", "loud").CombinedOutput(); err == nil || !strings.Contains(string(out), "loud") {
		t.Errorf("an unknown level: %v, %s", err, out)
	}
}

// The version is what the build was told, and else not nothing.
func TestVersion(t *testing.T) {
	for _, arg := range []string{"version", "--version"} {
		if out := console(t, t.TempDir(), arg); strings.TrimSpace(out) == "" || strings.Count(out, "\n") != 1 {
			t.Errorf("%s: got %q", arg, out)
		}
	}
	if out, err := programOf(t, unraced, t.TempDir(), "--version").CombinedOutput(); err != nil || string(out) != linked+"\n" {
		t.Errorf("linked with a version: got %q, %v", out, err)
	}
}

// case T1: at debug level, too, no key is in the log that was sent as the name
// of something else.
func TestKeyInTheWrongPlace(t *testing.T) {
	p := start(t, t.TempDir(), "--log-level", "debug")
	key, owner := p.LiveKey, p.login(p.Email, p.Password)
	scoped := p.do("POST", "/v1/api-keys", owner, `{"name":"one","permissions":["read","write"],"scope":{"projects":["`+p.ProjectIDs[0]+`"]}}`).member(t, "key")
	const without = ""
	for _, tt := range []struct {
		name, method, path, token, body string
		header                          []string
		status                          int
	}{
		{"project of a path", "GET", "/v1/projects/" + key + "/data", scoped, "", nil, 403},
		{"project of a new key", "POST", "/v1/api-keys", owner, `{"name":"x","permissions":["read"],"scope":{"projects":["` + key + `"]}}`, nil, 400},
		{"permission of a new key", "POST", "/v1/api-keys", owner, `{"name":"x","permissions":["` + key + `"]}`, nil, 400},
		{"field", "POST", "/v1/api-keys", owner, `{"` + key + `":1}`, nil, 400},
		{"query", "GET", "/v1/projects?" + key + "=1", scoped, "", nil, 400},
		{"value of a query", "GET", "/v1/projects?limit=" + key, scoped, "", nil, 400},
		{"environment", "GET", "/v1/projects", scoped, "", []string{"X-Environment", key}, 403},
		{"request id", "GET", "/v1/projects", without, "", []string{"X-Request-Id", key}, 401},
		{"forwarded for", "GET", "/v1/projects", without, "", []string{"X-Forwarded-For", key}, 401},
		{"agent", "POST", "/v1/auth/login", without, credentialsBody(key, key), []string{"User-Agent", key}, 401},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if a := p.do(tt.method, tt.path, tt.token, tt.body, tt.header...); a.status != tt.status {
				t.Errorf("got %d %s, want %d", a.status, a.body, tt.status)
			}
		})
	}
	p.stop()
	for _, l := range p.logs.lines(t) {
		if strings.Contains(fmt.Sprint(l), key[len("mt_live_"):]) {
			t.Errorf("the key is in %v", l)
		}
	}
}

package api

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// logsIn returns the Authorization of a person with a password.
func (p *process) logsIn(email, password string) string {
	p.t.Helper()
	body, err := json.Marshal(map[string]string{"email": email, "password": password})
	if err != nil {
		p.t.Fatal(err)
	}
	a := p.do("POST", "/v1/auth/login", "", string(body))
	var v struct {
		Token string `json:"session_token"`
	}
	if err := json.Unmarshal([]byte(a.body), &v); err != nil || v.Token == "" {
		p.t.Fatalf("login: %d %s", a.status, a.body)
	}
	return "Session " + v.Token
}

// The snippet of seed 001 that makes a key, with only host and token changed,
// against the real program; and the key works.
func TestSeedCreateSnippet(t *testing.T) {
	p := start(t, t.TempDir())
	auth := p.logsIn(p.Email, p.Password)
	script := strings.ReplaceAll(snippet(t, p, "seed001/create.sh"), "Session YOUR_SESSION_TOKEN", auth)
	_, out, _ := strings.Cut(interpret(t, script, "", "sh"), "{") // after curl's progress
	key := keyIn(t, answer{body: "{" + out})
	if a := p.get("/v1/projects", key.Key); a.status != 200 || key.Name != "Production Server" {
		t.Errorf("%+v: %d %s", key, a.status, a.body)
	}
	scoped := keyIn(t, p.do("POST", "/v1/api-keys", "", seedScoped, "Authorization", auth))
	if a := p.get("/v1/projects", scoped.Key); a.status != 200 || strings.Count(a.body, `"id":"proj_`) != 2 {
		t.Errorf("scoped to both: %d %s", a.status, a.body)
	}
}

// cases T1 and T4: a key is in the answer that made it and nowhere else, not
// in a log, a file of the database, an event or another answer, also where
// people put it into names, reasons and headers. Everything survives a restart.
func TestKeysAreShownOnce(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir)
	auth := p.logsIn(p.Email, p.Password)
	var told strings.Builder
	ask := func(status int, method, path, auth, body string, header ...string) answer {
		t.Helper()
		a := p.do(method, path, "", body, append([]string{"Authorization", auth}, header...)...)
		if a.status != status {
			t.Fatalf("%s %s: %d %s, want %d", method, path, a.status, a.body, status)
		}
		if status != 201 {
			told.WriteString(a.body)
			a.header.Write(&told)
		}
		return a
	}
	made := keyIn(t, ask(201, "POST", "/v1/api-keys", auth, seedScoped, "Idempotency-Key", "1"))
	ask(200, "POST", "/v1/api-keys", auth, seedScoped, "Idempotency-Key", "1")
	plain := keyIn(t, ask(201, "POST", "/v1/api-keys", auth, seedCreate, "Idempotency-Key", "for "+made.Key))
	next := keyIn(t, ask(201, "POST", "/v1/api-keys/"+made.ID+"/rotate", auth, "", "Idempotency-Key", "2"))
	ask(200, "POST", "/v1/api-keys/"+made.ID+"/rotate", auth, "", "Idempotency-Key", "2")
	for _, key := range []string{made.Key, next.Key, plain.Key} {
		ask(200, "GET", "/v1/whoami", "Bearer "+key, "")
		ask(403, "GET", "/v1/api-keys?owner="+key, "Bearer "+key, "")
		ask(400, "GET", "/v1/api-keys?owner="+key, auth, "")
		ask(404, "GET", "/v1/api-keys/"+key, auth, "")
		ask(400, "POST", "/v1/api-keys", auth, `{"name":"`+key+`","permissions":["read"]}`)
		ask(400, "POST", "/v1/api-keys", auth, `{"name":"k","permissions":["`+key+`"],"`+key+`":1}`)
		ask(400, "PATCH", "/v1/api-keys/"+plain.ID, auth, `{"name":"`+key+`"}`)
		ask(401, "GET", "/v1/api-keys", "Session "+key, "")
	}
	for _, path := range []string{"", "?limit=1", "?owner=me", "?expiring_before=2100-01-01T00:00:00Z", "/" + made.ID, "/" + next.ID} {
		ask(200, "GET", "/v1/api-keys"+path, auth, "")
	}
	ask(204, "DELETE", "/v1/api-keys/"+plain.ID+"?reason=found+"+plain.Key, auth, "")
	ask(200, "POST", "/v1/api-keys/revoke", auth, `{"owner":"`+made.Owner+`","reason":"found `+next.Key+`"}`)
	ask(401, "GET", "/v1/whoami", "Bearer "+next.Key, "")
	ask(200, "GET", "/v1/audit-log?limit=200", auth, "")
	ask(200, "GET", "/v1/billing", auth, "")
	p.stop()

	haystacks := map[string]string{"log": p.logs.String(), "answers": told.String()}
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
	secrets := map[string]string{
		"first key": made.Key, "second key": next.Key, "third key": plain.Key, "session": strings.TrimPrefix(auth, "Session "),
	}
	for where, text := range haystacks {
		for name, secret := range secrets {
			random := secret[strings.LastIndex(secret, "_")+1:][:23]
			if strings.Contains(text, random) || strings.Contains(text, hex.EncodeToString([]byte(random))) {
				t.Errorf("the %s is in the %s", name, where)
			}
		}
		if strings.Contains(text, p.Password) {
			t.Errorf("the owner's password is in the %s", where)
		}
	}
	for _, sum := range digests(t, filepath.Join(dir, "tollgate.db")) {
		if strings.Contains(told.String(), hex.EncodeToString(sum)) || bytes.Contains([]byte(told.String()), sum) {
			t.Error("an answer shows a digest")
		}
	}
	if !strings.Contains(told.String(), "found mt_live_…") {
		t.Error("the reason was not kept at all")
	}

	p = start(t, dir)
	for _, c := range []struct {
		name, auth string
		status     int
	}{{"the session", auth, 200}, {"a revoked key", "Bearer " + next.Key, 401}} {
		t.Run(c.name, func(t *testing.T) {
			if a := p.get("/v1/whoami", "", "Authorization", c.auth); a.status != c.status {
				t.Errorf("after a restart, %s: %d %s", c.name, a.status, a.body)
			}
		})
	}
}

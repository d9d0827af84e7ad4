package api

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"medtwin.ai/tollgate/examples/server/database/databasetest"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/secretscan"
)

// A scanner finds leaked keys and reports them, as GitHub does.
type scanner struct {
	*httptest.Server // where its public key is
	t                *testing.T
	key              *ecdsa.PrivateKey
	down             atomic.Bool
}

func newScanner(t *testing.T) *scanner {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	s := &scanner{t: t, key: key}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.down.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		json.NewEncoder(w).Encode(map[string]any{"public_keys": []map[string]any{{
			"key_identifier": "k1", "is_current": true,
			"key": string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
		}}})
	}))
	t.Cleanup(s.Close)
	return s
}

// report is the body that says where these tokens are.
func (s *scanner) report(tokens ...string) string {
	var list []map[string]string
	for _, token := range tokens {
		list = append(list, map[string]string{
			"token": token, "type": "medtwin", "url": "https://git.example.com/x/y/blob/main/.env?token=" + token, "source": "content",
		})
	}
	body, err := json.Marshal(list)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(body)
}

// signed are the headers that go with a body.
func (s *scanner) signed(body string) []string {
	sum := sha256.Sum256([]byte(body))
	signature, err := ecdsa.SignASN1(rand.Reader, s.key, sum[:])
	if err != nil {
		s.t.Fatal(err)
	}
	return []string{
		"Github-Public-Key-Identifier", "k1", "Github-Public-Key-Signature", base64.StdEncoding.EncodeToString(signature),
	}
}

func verdictsOf(t *testing.T, a answer) (labels []string) {
	t.Helper()
	var list []struct{ Label string }
	if err := json.Unmarshal([]byte(a.body), &list); err != nil || a.status != 200 {
		t.Fatalf("%v: %d %s", err, a.status, a.body)
	}
	for _, v := range list {
		labels = append(labels, v.Label)
	}
	return labels
}

// case T5: a key that somebody has found is revoked and its account told, once,
// however often it is reported. Reports are believed for their signature alone.
// They tell a sender without one nothing, and use no key.
func TestLeak(t *testing.T) {
	dir := t.TempDir()
	scanner, h := newScanner(t), newHooked(t)
	p := start(t, dir, "--secret-scanning-keys", scanner.URL, "--dangerously-allow-private-webhooks")
	owner := p.login(p.Email, p.Password)
	h.hook(p, owner)
	made := p.do("POST", "/v1/api-keys", owner, `{"name":"leaky","permissions":["read"]}`)
	id, key := made.member(t, "id"), made.member(t, "key")
	billing := p.get("/v1/billing", owner).body

	body := scanner.report(key)
	signed := scanner.signed(body)
	for _, attempt := range []struct {
		name, body string
		header     []string
	}{
		{"unsigned", body, nil},
		{"unknown key id", body, append([]string{"Github-Public-Key-Identifier", "k2"}, signed[2:]...)},
		{"another body", body[:len(body)-1] + " ]", signed},
		{"another's", body, newScanner(t).signed(body)},
	} {
		t.Run(attempt.name, func(t *testing.T) {
			if a := p.do("POST", "/v1/secret-scanning", "", attempt.body, attempt.header...); a.status != 403 || strings.Contains(a.body, "positive") {
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
	if a := p.get("/v1/api-keys/"+id, owner); a.member(t, "status") != "active" || strings.Contains(a.body, "last_used_at") {
		t.Fatalf("after reports of nobody: %s", a.body)
	}

	unknown := strings.Repeat("0", len(key)-len("mt_live_"))
	mixed := scanner.report("mt_live_"+unknown, owner, key, key, "AKIA0000", p.TestKey+"x")
	for range 2 { // the second time it is a replay
		labels := verdictsOf(t, p.do("POST", "/v1/secret-scanning", "", mixed, scanner.signed(mixed)...))
		if got := strings.Join(labels, " "); got != "false_positive false_positive true_positive false_positive false_positive" {
			t.Errorf("%s", got)
		}
	}
	p.do("POST", "/v1/secret-scanning", "", body, signed...)
	record := p.get("/v1/api-keys/"+id, owner)
	if record.member(t, "status") != "revoked" || record.member(t, "reason") != "leaked: git.example.com" || strings.Contains(record.body, "last_used_at") {
		t.Errorf("%s", record.body)
	}
	if after := p.get("/v1/billing", owner).body; after != billing {
		t.Errorf("the plan before: %s\nand after: %s", billing, after)
	}
	if a := p.get("/v1/whoami", key); a.status != 401 {
		t.Errorf("the leaked key: %d", a.status)
	}
	if a := p.get("/v1/whoami", owner); a.status != 200 {
		t.Errorf("a session that was reported: %d", a.status)
	}
	leaked, revoked := h.wait("key.leaked", id), h.wait("key.revoked", id)
	if leaked.data.Note != "found at git.example.com (content)" || leaked.data.Hint == "" || revoked.data.Note != "leaked: git.example.com" {
		t.Errorf("%+v %+v", leaked, revoked)
	}
	log := p.get("/v1/audit-log?limit=200", owner).body
	if strings.Count(log, `"key.leaked"`) != 1 || strings.Count(log, `"key.revoked"`) != 1 || strings.Contains(log, key[8:]) {
		t.Errorf("the log: %s", log)
	}

	// Ten thousand, of which one is a key: it takes a few seconds, or is done
	// when the reporter does not wait any longer.
	id, key = makeKey(t, dir, "--account", p.AccountID)
	format, err := keyfmt.New("mt_live_")
	if err != nil {
		t.Fatal(err)
	}
	var many []string
	for range 9_999 {
		many = append(many, format.Generate().Reveal())
	}
	body = scanner.report(append(many, key)...)
	if a := p.do("POST", "/v1/secret-scanning", "", body, scanner.signed(body)...); a.status != 200 && a.status != 202 {
		t.Errorf("10,000 tokens: %d %s", a.status, a.body)
	}
	if a := p.within(20*time.Second, "/v1/whoami", key, func(a answer) bool { return a.status == 401 }); a.status != 401 {
		t.Errorf("the 10,000th: %d", a.status)
	}
	h.wait("key.leaked", id)

	p.stop() // case T1
	files, err := filepath.Glob(filepath.Join(dir, "tollgate.db*"))
	if err != nil || (len(files) == 0) != databasetest.OnPostgres(t) {
		t.Fatal(err, files)
	}
	texts := map[string]string{"log": p.logs.String()}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		texts[f] = string(text)
	}
	for where, text := range texts {
		if strings.Contains(text, key[8:]) || strings.Contains(text, many[0][8:]) || strings.Contains(text, owner[5:]) {
			t.Errorf("what was reported is in the %s", where)
		}
	}
}

// case T5: while the public keys cannot be had a report is kept, sealed, and
// handled when they can.
func TestLeakOutage(t *testing.T) {
	scanner := newScanner(t)
	scanner.down.Store(true)
	c := newClocked(t, "standard", "")
	var err error
	if c.leaks, err = secretscan.New(secretscan.Config{
		Store: c.db.LeakReports(), Seal: c.secrets.Derive("leak reports"), KeysURL: scanner.URL, Report: c.leaked, Now: func() time.Time { return c.now },
	}); err != nil {
		t.Fatal(err)
	}
	body := scanner.report(c.key)
	if a := c.do("POST", "/v1/secret-scanning", body, scanner.signed(body)...); a.status != 202 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if a := c.call("GET", "/v1/rubrics", c.key, ""); a.status != 200 {
		t.Errorf("%d", a.status)
	}
	var sealed []byte
	if err := c.db.Row(t.Context(), `SELECT sealed FROM tollgate_server.leak_reports`).Scan(&sealed); err != nil || strings.Contains(string(sealed), c.key[8:]) {
		t.Errorf("%v; what waits is not sealed: %q", err, sealed)
	}
	scanner.down.Store(false)
	c.now = c.now.Add(2 * time.Minute)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- c.leaks.Run(ctx) }()
	deadline := time.After(20 * time.Second)
	for every := time.Tick(20 * time.Millisecond); ; {
		// The event comes last: to stop in between is for the report to wait again.
		if events, err := c.Events().List(t.Context(), "acct_1", "", 10); err == nil && strings.Contains(fmt.Sprint(events), "key.leaked") {
			break
		}
		select {
		case <-every:
		case <-deadline:
			t.Fatal("the report is not handled")
		}
	}
	stop()
	<-ended
	if a := c.call("GET", "/v1/rubrics", c.key, ""); a.status != 401 {
		t.Errorf("the leaked key: got %d, want 401", a.status)
	}
}

// A crash between the revocation and its events loses none, and a key that its
// owner had revoked before is not revoked for another reason.
func TestLeakAgain(t *testing.T) {
	c := newClocked(t, "standard", "")
	owner := c.owner()
	kinds := func(id string) (list []string) {
		events, err := c.Events().List(t.Context(), "acct_1", "", 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if e.Subject == id && e.Actor == "secret scanning" {
				list = append(list, e.Kind)
			}
		}
		return list
	}
	died := c.call("POST", "/v1/api-keys", owner, `{"name":"a","permissions":["read"]}`)
	if err := c.KeyAdmin().Revoke(t.Context(), "acct_1", died.member(t, "id"), leakedReason+"git.example.com", c.now); err != nil {
		t.Fatal(err)
	}
	before := c.call("POST", "/v1/api-keys", owner, `{"name":"b","permissions":["read"]}`)
	if a := c.call("DELETE", "/v1/api-keys/"+before.member(t, "id")+"?reason=unused", owner, ""); a.status != 204 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	for _, tt := range []struct {
		key    answer
		reason string
		kinds  int
	}{{died, "leaked: git.example.com", 2}, {before, "unused", 1}} {
		for _, url := range []string{"https://git.example.com/1", "https://paste.example.com/2", "::"} {
			c.now = c.now.Add(time.Minute)
			if known, err := c.leaked(t.Context(), tt.key.member(t, "key"), url, ""); !known || err != nil {
				t.Errorf("%v, %v", known, err)
			}
		}
		key, err := c.KeyAdmin().Get(t.Context(), "acct_1", tt.key.member(t, "id"))
		if err != nil || key.Reason != tt.reason || len(kinds(key.ID)) != tt.kinds {
			t.Errorf("%v, %q, %v", err, key.Reason, kinds(key.ID))
		}
	}
}

// case T5: a place that cannot be written down keeps no leaked key alive, and
// no webhook from being told of.
func TestPlacesThatCannotBeText(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, name string) {
		c := clockedOn(t, name, "standard", "")
		owner := c.owner()
		for i, place := range []string{"%ff.example.com", "%00", "a%00.example.com", "%e2%80%ae.example.com", "a%0ab", "%20"} {
			made := c.call("POST", "/v1/api-keys", owner, `{"name":"a","permissions":["read"]}`)
			id, url := made.member(t, "id"), "https://"+place+"/x"
			known, err := c.leaked(t.Context(), made.member(t, "key"), url, "content")
			if key, bad := c.KeyAdmin().Get(t.Context(), "acct_1", id); !known || err != nil || bad != nil || key.Reason != "leaked: unknown place" {
				t.Errorf("%s: %v, %v, %v, revoked at %v as %q", place, known, err, bad, key.Revoked, key.Reason)
			}
			events, err := c.Events().List(t.Context(), "acct_1", "", 100)
			if told := fmt.Sprint(events); err != nil || !strings.Contains(told, "key.leaked "+id) || strings.Count(told, "found at unknown place (content)") != i+1 {
				t.Errorf("%s: %v, %s", place, err, told)
			}
			if a := c.call("POST", "/v1/webhooks", owner, `{"url":"`+url+`"}`); a.status != 400 || !strings.Contains(a.body, "url must") {
				t.Errorf("a webhook to place %d: %d %s", i, a.status, a.body)
			}
		}
		// What people write of themselves, too.
		c.person("viewer@example.com", roleViewer)
		if a := c.login("viewer@example.com", secret, "User-Agent", "a\xff\x00b"); a.status != 200 {
			t.Errorf("an agent that is no text: %d %s", a.status, a.body)
		}
	})
	if got := newClocked(t, "free", "").redacted("a\x00b\xffc\xe2\x80d é"); got != "abcd é" {
		t.Errorf("%q", got)
	}
}

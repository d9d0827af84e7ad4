package api

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// A hooked is a customer's server, which hears what happens to their keys.
type hooked struct {
	*httptest.Server
	t      *testing.T
	secret string
	told   chan told
	seen   []told
}

// told is what it has heard, verified.
type told struct {
	id, kind, body string
	data           keyEvent
}

func newHooked(t *testing.T) *hooked {
	t.Helper()
	h := &hooked{t: t, told: make(chan told, 100)}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		verify, err := standardwebhooks.NewWebhook(h.secret)
		if err == nil {
			err = verify.Verify(body, r.Header)
		}
		var e struct {
			Type string
			Data keyEvent
		}
		if err == nil {
			err = json.Unmarshal(body, &e)
		}
		if err != nil {
			t.Errorf("%v: %s", err, body)
		}
		h.told <- told{r.Header.Get("webhook-id"), e.Type, string(body), e.Data}
	}))
	t.Cleanup(h.Close)
	return h
}

// wait returns the first event of a kind about a key, or ends the test.
func (h *hooked) wait(kind, key string) told {
	h.t.Helper()
	fits := func(e told) bool { return e.kind == kind && e.data.KeyID == key }
	for _, e := range h.seen {
		if fits(e) {
			return e
		}
	}
	deadline := time.After(20 * time.Second)
	for {
		select {
		case e := <-h.told:
			if h.seen = append(h.seen, e); fits(e) {
				return e
			}
		case <-deadline:
			h.t.Fatalf("not told of %s %s; but of %v", kind, key, h.seen)
		}
	}
}

// hook adds the endpoint as a customer does.
func (h *hooked) hook(p *process, session string) (id string) {
	h.t.Helper()
	a := p.do("POST", "/v1/webhooks", session, `{"url":"`+h.URL+`/hooks"}`)
	if a.status != 201 || a.header.Get("Cache-Control") != "private, no-store" {
		h.t.Fatalf("%d %s", a.status, a.body)
	}
	h.secret = a.member(h.t, "secret")
	return a.member(h.t, "id")
}

// The account's endpoint hears of whatever happens to a key, no matter who did
// it. The message is signed, and holds no key itself.
func TestHooks(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir, "--dangerously-allow-private-webhooks")
	h := newHooked(t)
	owner := p.login(p.Email, p.Password)
	hook := h.hook(p, owner)

	made := p.do("POST", "/v1/api-keys", owner, `{"name":"ci","permissions":["read"]}`)
	id, key := made.member(t, "id"), made.member(t, "key")
	e := h.wait("key.created", id)
	want := keyEvent{KeyID: id, Name: "ci", Hint: made.member(t, "hint"), Environment: "live", Actor: e.data.Actor, Note: "ci"}
	if e.data != want || !strings.HasPrefix(e.data.Actor, "user_") {
		t.Errorf("told %+v, want %+v", e.data, want)
	}
	if a := p.do("PATCH", "/v1/api-keys/"+id, owner, `{"name":"cd"}`); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	h.wait("key.updated", id)
	rotated := p.do("POST", "/v1/api-keys/"+id+"/rotate", owner, "")
	if e := h.wait("key.rotated", id); !strings.Contains(e.data.Note, rotated.member(t, "id")) {
		t.Errorf("%+v", e)
	}
	if a := p.do("DELETE", "/v1/api-keys/"+id+"?reason=old", owner, ""); a.status != 204 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if e := h.wait("key.revoked", id); e.data.Note != "old" {
		t.Errorf("%+v", e)
	}

	// The operator, beside the server.
	fixed, other := makeKey(t, dir, "--account", p.AccountID, "--expires", "48h")
	if e := h.wait("key.created", fixed); e.data.Actor != "operator" || e.data.ExpiresAt == "" {
		t.Errorf("%+v", e)
	}
	console(t, dir, "keys", "rotate", rotated.member(t, "id"), "--grace", "1h")
	h.wait("key.rotated", rotated.member(t, "id"))
	console(t, dir, "keys", "revoke", rotated.member(t, "id"), "--reason", "found "+key+" in a log")
	if e := h.wait("key.revoked", rotated.member(t, "id")); e.data.Note != "found mt_live_… in a log" || e.data.Actor != "operator" {
		t.Errorf("%+v", e)
	}

	// What will expire is looked for at every start, and told of once.
	for range 2 {
		p.stop()
		p = start(t, dir, "--dangerously-allow-private-webhooks")
		h.wait("key.expiring", fixed)
	}
	again, _ := makeKey(t, dir, "--account", p.AccountID)
	h.wait("key.created", again) // and so whatever was queued before that
	owner = p.login(p.Email, p.Password)
	warnings := map[string]bool{} // by id: what is being delivered when the server stops is delivered again
	for _, e := range h.seen {
		if e.kind == "key.expiring" {
			warnings[e.id] = true
		}
		for _, secret := range []string{key, other, rotated.member(t, "key"), h.secret, owner} { // case T1
			if strings.Contains(e.body, secret[8:]) {
				t.Errorf("a secret is in %s", e.body)
			}
		}
	}
	if len(warnings) != 1 {
		t.Errorf("told %d times that a key expires", len(warnings))
	}

	list := p.get("/v1/webhooks", owner)
	if data, _ := list.list(t); len(data) != 1 || data[0]["id"] != hook || data[0]["delivered_at"] == nil || strings.Contains(list.body, "whsec_") { // case T4
		t.Errorf("%s", list.body)
	}
	if a := p.do("DELETE", "/v1/webhooks/"+hook, owner, ""); a.status != 204 {
		t.Errorf("%d %s", a.status, a.body)
	}
	log := p.get("/v1/audit-log?limit=200", owner).body
	if !strings.Contains(log, "webhook.added") || !strings.Contains(log, "webhook.removed") || !strings.Contains(log, "key.expiring") || strings.Contains(log, "/hooks") {
		t.Errorf("%s", log)
	}
}

// Only people who administer the account see endpoints. Adding one needs a recent
// login.
func TestHooksAreForPeople(t *testing.T) {
	c := newClocked(t, "standard", "")
	owner := c.owner()
	const good = `{"url":"https://hooks.example.com/in?token=1","events":["key.leaked","key.revoked"]}`
	for _, tt := range []struct{ name, token string }{
		{"a key", c.key}, {"an editor", c.enter(c.person("editor@example.com", roleEditor).Email)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, rt := range [][2]string{{"POST", "/v1/webhooks"}, {"DELETE", "/v1/webhooks/whk_1"}} {
				body, want := "", 403
				if rt[0] == "POST" {
					body = good
				}
				if a := c.call(rt[0], rt[1], tt.token, body); a.status != want {
					t.Errorf("%s %s by %s: %d %s", rt[0], rt[1], tt.name, a.status, a.body)
				}
			}
		})
	}
	for _, body := range []string{
		`{}`, `{"url":"http://hooks.example.com/"}`, `{"url":"https://127.0.0.1/"}`, `{"url":"https://u:p@hooks.example.com/"}`,
		`{"url":"https://hooks.example.com/","events":["member.added"]}`, `{"url":"https://hooks.example.com/","secret":"x"}`,
	} {
		if a := c.call("POST", "/v1/webhooks", owner, body); a.status != 400 || strings.Contains(a.body, "u:p") {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	for i := range 21 {
		want := 201
		if i == 20 {
			want = 409
		}
		if a := c.call("POST", "/v1/webhooks", owner, good); a.status != want {
			t.Errorf("endpoint %d: %d %s", i+1, a.status, a.body)
		}
	}
	c.now = c.now.Add(time.Hour + time.Second)
	if a := c.call("POST", "/v1/webhooks", owner, good); a.status != 401 || !strings.Contains(a.header.Get("WWW-Authenticate"), `max_age="3600"`) {
		t.Errorf("an hour later: %d %s", a.status, a.header.Get("WWW-Authenticate"))
	}
	if data, _ := c.call("GET", "/v1/webhooks", owner, "").list(t); len(data) != 20 || fmt.Sprint(data[0]["events"]) != "[key.leaked key.revoked]" {
		t.Errorf("%v", data)
	}
}

package secretscan_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"medtwin.ai/tollgate/internal/testkit"
	"medtwin.ai/tollgate/secretscan"
)

const report = `[{"token":"mt_live_ours","type":"mt_key","url":"https://github.com/o/r/blob/1/f","source":"content"},` +
	`{"token":"mt_live_other","type":"mt_key","url":"","source":"commit","since":"a later version"},` +
	`{"token":"mt_live_ours","type":"mt_key","url":"https://github.com/o/r/blob/2/g","source":"content"}]`

// case T5: a signed report is handled, once for each token, and answered with
// the feedback of GitHub's format; a replay is the same again.
func TestReport(t *testing.T) {
	key := newKey(t)
	src := newSource(t, map[string]string{"k1": encode(t, key.Public())})
	s := newServer(t, src.URL, nil)
	want := fmt.Sprintf(`[{"token_hash":"%s","token_type":"mt_key","label":"true_positive"},{"token_hash":"%s","token_type":"mt_key","label":"false_positive"}]`,
		hash("mt_live_ours"), hash("mt_live_other"))
	for range 2 {
		a := s.signed(t, "k1", key, report)
		if a.status != 200 || a.body != want || a.header.Get("Content-Type") != "application/json" {
			t.Errorf("%d %s, want %s", a.status, a.body, want)
		}
	}
	one := call{"https://github.com/o/r/blob/1/f", "content"}
	other := call{"", "commit"}
	if d := cmp.Diff(map[string][]call{"mt_live_ours": {one, one}, "mt_live_other": {other, other}}, s.told(), cmp.AllowUnexported(call{})); d != "" {
		t.Errorf("told (-want +got):\n%s", d)
	}
	if a := s.signed(t, "k1", key, `[]`); a.status != 200 || a.body != `[]` {
		t.Errorf("an empty report: %d %s", a.status, a.body)
	}
	if n := src.count(); n != 1 {
		t.Errorf("the keys were fetched %d times", n)
	}
}

// The sample of GitHub's documentation, with the key that GitHub published
// then, verifies: it was not made by this code.
func TestGitHubSample(t *testing.T) {
	const id = "bcb53661c06b4728e59d897fb6165d5c9cda0fd9cdf9d09ead458168deb7518c"
	src := newSource(t, map[string]string{
		id: "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYAGMWO8XgCamYKMJS6jc/qgvSlAd\nAjPuDPRcXU22YxgBrz+zoN19MzuRyW87qEt9/AmtoNP5GrobzUvQSyJFVw==\n-----END PUBLIC KEY-----\n",
	})
	s := newServer(t, src.URL, nil)
	body := `[{"source":"commit","token":"some_token","type":"some_type","url":"https://example.com/base-repo-url/"}]`
	signature := "MEQCIQDaMKqrGnE27S0kgMrEK0eYBmyG0LeZismAEz/BgZyt7AIfXt9fErtRS4XaeSt/AO1RtBY66YcAdjxji410VQV4xg=="
	if a := s.send(t, id, signature, strings.NewReader(body)); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
	// The signature is over the bytes, not over what they mean.
	if a := s.send(t, id, signature, strings.NewReader(body+" ")); a.status != 403 {
		t.Errorf("one space more: %d %s", a.status, a.body)
	}
}

// case T5: a sender without a signature learns nothing: the answers for tokens
// that exist and for others are the same, and neither is looked up.
func TestUnsigned(t *testing.T) {
	key, stranger, p384 := newKey(t), newKey(t), p384Key(t)
	src := newSource(t, map[string]string{"k1": encode(t, key.Public()), "p384": encode(t, p384.Public()), "broken": "no PEM"})
	s := newServer(t, src.URL, nil)
	for _, tt := range []struct {
		name, id string
		sign     func(body string) string
		reason   string
	}{
		{"no headers", "", func(string) string { return "" }, "missing_signature"},
		{"no signature", "k1", func(string) string { return "" }, "missing_signature"},
		{"no identifier", "", func(b string) string { return sign(t, key, b) }, "missing_signature"},
		{"long identifier", strings.Repeat("k", 129), func(b string) string { return sign(t, key, b) }, "missing_signature"},
		{"long signature", "k1", func(string) string { return strings.Repeat("A", 260) }, "missing_signature"},
		{"not base64", "k1", func(string) string { return "?" }, "invalid_signature"},
		{"not ASN.1", "k1", func(string) string { return "AAAA" }, "invalid_signature"},
		{"of other bytes", "k1", func(b string) string { return sign(t, key, b+" ") }, "invalid_signature"},
		{"of another key", "k1", func(b string) string { return sign(t, stranger, b) }, "invalid_signature"},
		{"unknown identifier", "k2", func(b string) string { return sign(t, key, b) }, "invalid_signature"},
		{"key on another curve", "p384", func(b string) string { return sign(t, p384, b) }, "invalid_signature"},
		{"key that is none", "broken", func(b string) string { return sign(t, key, b) }, "invalid_signature"},
	} {
		var bodies []string
		for _, token := range []string{"mt_live_ours", "mt_live_other"} {
			body := `[{"token":"` + token + `","type":"mt_key"}]`
			a := s.send(t, tt.id, tt.sign(body), strings.NewReader(body))
			if a.status != 403 || a.header.Get("X-Denied-Reason") != tt.reason {
				t.Errorf("%s: %d %s %s, want 403 %s", tt.name, a.status, a.header.Get("X-Denied-Reason"), a.body, tt.reason)
			}
			bodies = append(bodies, strings.ReplaceAll(a.body, a.header.Get("X-Request-Id"), "the-id"))
		}
		if bodies[0] != bodies[1] {
			t.Errorf("%s: the answers differ: %q", tt.name, bodies)
		}
	}
	if told := s.told(); len(told) > 0 {
		t.Errorf("looked up: %v", told)
	}
	if n := s.rows(); n > 0 {
		t.Errorf("%d reports wait", n)
	}
}

func p384Key(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// case T7: what is no report is refused as a whole, however it is signed.
func TestMalformed(t *testing.T) {
	key := newKey(t)
	s := newServer(t, newSource(t, map[string]string{"k1": encode(t, key.Public())}).URL, nil)
	good := `{"token":"mt_live_ours"}`
	for _, tt := range []struct {
		body   string
		status int
	}{
		{``, 400}, {`null`, 400}, {`{}`, 400}, {good, 400}, {`"x"`, 400}, {`[`, 400}, {`[` + good, 400}, {`[` + good + `,]`, 400},
		{`[` + good + `] x`, 400}, {`[` + good + `][]`, 400}, {`[` + good + good + `]`, 400},
		{`[null]`, 400}, {`[{}]`, 400}, {`["x",{"token":1},{"token":" "}]`, 400}, // no token at all
		{`[` + good + `,{"token":"x","more":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}]`, 400},
		{`[` + good + strings.Repeat(`,`+good, secretscan.MaxMatches) + `]`, 413},
		{`[` + good + `]` + strings.Repeat(" ", secretscan.MaxBody), 413},
	} {
		if a := s.signed(t, "k1", key, tt.body); a.status != tt.status {
			t.Errorf("%.40s…, %d bytes: %d %s, want %d", tt.body, len(tt.body), a.status, a.body, tt.status)
		}
	}
	if told := s.told(); len(told) > 0 {
		t.Errorf("half of a report was handled: %v", told)
	}
	if a := s.send(t, "k1", "AAAA", io.LimitReader(zeros{}, secretscan.MaxBody+1)); a.status != 413 { // without a Content-Length
		t.Errorf("chunked: %d %s", a.status, a.body)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// case T5: 10,000 tokens and as many duplicates in one body.
func TestManyTokens(t *testing.T) {
	key := newKey(t)
	s := newServer(t, newSource(t, map[string]string{"k1": encode(t, key.Public())}).URL, nil)
	var body bytes.Buffer
	for i := range 20_000 {
		fmt.Fprintf(&body, `,{"token":"mt_live_%d","type":"mt_key","url":"https://example.org/%d"}`, i%10_000, i)
	}
	a := s.signed(t, "k1", key, "["+body.String()[1:]+"]")
	var list []map[string]string
	if err := json.Unmarshal([]byte(a.body), &list); err != nil || a.status != 200 || len(list) != 10_000 {
		t.Fatalf("%d, %d verdicts, %v", a.status, len(list), err)
	}
	told := s.told()
	for token, calls := range told {
		if len(calls) != 1 {
			t.Errorf("%s was looked up %d times", token, len(calls))
		}
	}
	if len(told) != 10_000 {
		t.Errorf("%d tokens were looked up", len(told))
	}
}

// An outage of the key store is 503 and a time, and the sender's next try ends
// what this one began.
func TestOutage(t *testing.T) {
	key := newKey(t)
	s := newServer(t, newSource(t, map[string]string{"k1": encode(t, key.Public())}).URL, nil)
	s.fail(errors.New("the disk is full"))
	if a := s.signed(t, "k1", key, report); a.status != 503 || a.header.Get("Retry-After") != "30" || strings.Contains(a.body, "disk") {
		t.Errorf("%d, Retry-After %q, %s", a.status, a.header.Get("Retry-After"), a.body)
	}
	if !strings.Contains(s.log.String(), "the disk is full") {
		t.Errorf("the log does not say why:\n%s", s.log)
	}
	if n := s.rows(); n != 0 {
		t.Errorf("%d reports wait that were not acknowledged", n)
	}
	for range 30 {
		s.signed(t, "k1", key, report)
	}
	if n := strings.Count(s.log.String(), "level=ERROR"); n != 10 { // case T2
		t.Errorf("got %d lines of 31 reports in a second of an outage, want 10:\n%s", n, s.log)
	}
	s.fail(nil)
	if a := s.signed(t, "k1", key, report); a.status != 200 {
		t.Errorf("then: %d %s", a.status, a.body)
	}
}

// A report that takes longer than its sender waits is acknowledged, and brought
// to its end without the sender, even if the key is withdrawn meanwhile.
func TestSlowReport(t *testing.T) {
	key := newKey(t)
	src := newSource(t, map[string]string{"k1": encode(t, key.Public())})
	slow, done := make(chan struct{}), make(chan string, 10)
	s := newServer(t, src.URL, func(c *secretscan.Config) {
		c.Report = func(ctx context.Context, token, _, _ string) (bool, error) {
			select {
			case <-slow:
				done <- token
				return true, nil
			case <-ctx.Done():
				return false, ctx.Err()
			}
		}
	})
	s.SetWork(50 * time.Millisecond)
	if a := s.signed(t, "k1", key, report); a.status != 202 || a.body != `[]` {
		t.Fatalf("%d %s", a.status, a.body)
	}
	src.set(false, map[string]string{"k2": encode(t, newKey(t).Public())})
	s.clock.Add(secretscan.Current)
	close(slow)
	s.run(t)
	for _, want := range []string{"mt_live_ours", "mt_live_other"} {
		select {
		case got := <-done:
			if got != want {
				t.Errorf("%s, want %s", got, want)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("nobody handles it")
		}
	}
	testkit.Eventually(t, "an empty table", func() bool { return s.rows() == 0 })
}

// A sender that waits for the keys for as long as it can is acknowledged all the
// same.
func TestKeptWithoutTheSender(t *testing.T) {
	key := newKey(t)
	src := newSource(t, nil)
	src.set(true, nil)
	s := newServer(t, src.URL, nil)
	ctx, hangUp := context.WithCancel(t.Context())
	hangUp()
	r := httptest.NewRequestWithContext(ctx, "POST", "/", strings.NewReader(report))
	r.Header.Set("Github-Public-Key-Identifier", "k1")
	r.Header.Set("Github-Public-Key-Signature", sign(t, key, report))
	rec := httptest.NewRecorder()
	s.ServeHTTP(rec, r)
	if rec.Code != 202 || s.rows() != 1 {
		t.Errorf("%d %s, %d wait", rec.Code, rec.Body, s.rows())
	}
}

// case T7: a body that does not come is no report, and no outage.
func TestLateBody(t *testing.T) {
	key := newKey(t)
	s := newServer(t, newSource(t, map[string]string{"k1": encode(t, key.Public())}).URL, nil)
	for _, before := range []string{"", strings.Repeat(" ", secretscan.SmallBody)} {
		r := httptest.NewRequest("POST", "/", io.MultiReader(strings.NewReader(before), iotest.ErrReader(&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded})))
		r.Header.Set("Github-Public-Key-Identifier", "k1")
		r.Header.Set("Github-Public-Key-Signature", "AAAA")
		rec := httptest.NewRecorder()
		s.ServeHTTP(rec, r)
		if rec.Code != 408 {
			t.Errorf("after %d bytes: %d %s", len(before), rec.Code, rec.Body)
		}
	}
	if log := s.log.String(); log != "" {
		t.Errorf("the log: %s", log)
	}
}

// Large bodies wait for room; small ones need none.
func TestRoom(t *testing.T) {
	key := newKey(t)
	s := newServer(t, newSource(t, map[string]string{"k1": encode(t, key.Public())}).URL, nil)
	s.Occupy()
	if a := s.signed(t, "k1", key, report); a.status != 200 {
		t.Errorf("small: %d %s", a.status, a.body)
	}
	large := `[{"token":"mt_live_ours","type":"mt_key"}` + strings.Repeat(" ", secretscan.SmallBody) + `]`
	if a := s.signed(t, "k1", key, large); a.status != 503 || a.header.Get("Retry-After") == "" {
		t.Errorf("large: %d %s", a.status, a.body)
	}
}

// cases T1 and T2: no token of a report, known or not, signed or not, is in the
// log, and none of one that waits is in the store.
func TestNothingIsDisclosed(t *testing.T) {
	key := newKey(t)
	src := newSource(t, nil)
	s := newServer(t, src.URL, nil)
	s.run(t)
	src.set(true, nil)
	if a := s.signed(t, "k1", key, report); a.status != 202 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if a := s.send(t, "mt_live_ours", "AAAA", strings.NewReader(report)); a.status != 202 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	found := ""
	for _, k := range s.store.kept {
		found += string(k.ID) + k.Origin + string(k.Sealed)
	}
	s.fail(errors.New("outage"))
	src.set(false, map[string]string{"k1": encode(t, key.Public())})
	s.clock.Add(secretscan.Pause)
	s.Look()
	s.signed(t, "k1", key, report)
	s.send(t, "k1", "AAAA", strings.NewReader(report))
	s.fail(nil)
	s.Look()
	if n := s.rows(); n != 0 {
		t.Errorf("%d still wait", n)
	}
	found += s.log.String()
	if !strings.Contains(found, "leak reports that waited") || !strings.Contains(found, "outage") {
		t.Errorf("the log lacks its lines:\n%s", s.log)
	}
	for _, token := range []string{"mt_live_ours", "mt_live_other"} {
		if strings.Contains(found, token) {
			t.Errorf("%s is there", token)
		}
	}
}

func TestNew(t *testing.T) {
	_, err := secretscan.New(secretscan.Config{})
	for _, want := range []string{"Store", "Seal", "KeysURL", "Report"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New with nothing does not speak of %s: %v", want, err)
		}
	}
	good := secretscan.Config{Store: new(memory), Seal: seal, Report: func(context.Context, string, string, string) (bool, error) { return false, nil }}
	for _, tt := range []struct {
		url string
		ok  bool
	}{
		{"https://api.github.com/meta/public_keys/secret_scanning", true}, {"http://127.0.0.1:1/", true}, {"http://[::1]:1/", true}, {"http://localhost/keys", true},
		{"http://example.org/keys", false}, {"http://127.0.0.1.example.org/", false}, {"/keys", false}, {"https://", false}, {"file:///keys", false}, {"", false},
	} {
		c := good
		c.KeysURL = tt.url
		if _, err := secretscan.New(c); (err == nil) != tt.ok {
			t.Errorf("KeysURL %q: %v", tt.url, err)
		}
	}
}

// What the receiver answers with nobody may keep.
func TestNoStore(t *testing.T) {
	key := newKey(t)
	s := newServer(t, newSource(t, map[string]string{"k1": encode(t, key.Public())}).URL, nil)
	for _, a := range []answer{s.signed(t, "k1", key, report), s.send(t, "", "", http.NoBody)} {
		if got := a.header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("%d: Cache-Control %q", a.status, got)
		}
	}
}

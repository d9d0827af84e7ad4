package secretscan_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"medtwin.ai/tollgate/internal/testkit"
	"medtwin.ai/tollgate/problem"
	"medtwin.ai/tollgate/secretscan"
)

var (
	t0   = time.Date(2026, 1, 30, 12, 0, 0, 0, time.UTC)
	seal = bytes.Repeat([]byte{7}, 32)
)

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func encode(t testing.TB, public any) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// A source publishes keys, in GitHub's format.
type source struct {
	*httptest.Server
	mu      sync.Mutex
	keys    map[string]string // PEM by identifier
	answer  http.HandlerFunc  // instead; nil: the keys
	fetches int
}

func newSource(t testing.TB, keys map[string]string) *source {
	s := &source{keys: keys}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.fetches++
		answer, list := s.answer, []map[string]any{}
		for id, text := range s.keys {
			list = append(list, map[string]any{"key_identifier": id, "key": text, "is_current": len(list) == 0})
		}
		s.mu.Unlock()
		if answer != nil {
			answer(w, r)
			return
		}
		json.NewEncoder(w).Encode(map[string]any{"public_keys": list})
	}))
	t.Cleanup(s.Close)
	return s
}

// set changes what it publishes or, with down, stops it.
func (s *source) set(down bool, keys map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys, s.answer = keys, nil
	if down {
		s.answer = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }
	}
}

func (s *source) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fetches
}

// A server is a receiver over HTTP, and what it was told of.
type server struct {
	*secretscan.Receiver
	url   string
	clock *testkit.Clock
	log   *testkit.Log
	store *memory

	mu    sync.Mutex
	ours  map[string]bool          // the tokens that are known
	calls map[string][]call        // by token
	err   error                    // of every Report
	each  func(token string) error // instead; nil: none
}

type call struct{ url, source string }

func newServer(t testing.TB, keysURL string, set func(*secretscan.Config)) *server {
	t.Helper()
	s := &server{clock: testkit.NewClock(t0), log: &testkit.Log{}, store: new(memory),
		ours: map[string]bool{"mt_live_ours": true}, calls: map[string][]call{}}
	c := secretscan.Config{Store: s.store, Seal: seal, KeysURL: keysURL, Now: s.clock.Now, Report: s.report,
		Logger: slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	if set != nil {
		set(&c)
	}
	s.store = c.Store.(*memory)
	var err error
	if s.Receiver, err = secretscan.New(c); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(problem.RequestIDs(s.Receiver))
	t.Cleanup(srv.Close)
	s.url = srv.URL
	return s
}

func (s *server) report(_ context.Context, token, url, source string) (bool, error) {
	s.mu.Lock()
	each := s.each
	s.mu.Unlock()
	if each != nil {
		return false, each(token)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[token] = append(s.calls[token], call{url, source})
	return s.ours[token], s.err
}

func (s *server) told() map[string][]call {
	s.mu.Lock()
	defer s.mu.Unlock()
	told := map[string][]call{}
	for token, calls := range s.calls {
		told[token] = append([]call(nil), calls...)
	}
	return told
}

func (s *server) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// run runs it until the test ends.
func (s *server) run(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func (s *server) rows() int {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	return len(s.store.kept)
}

// fill has other reports of a network wait, of so many bytes each; of network ""
// they are verified.
func (s *server) fill(reports, bytes int, origin string) {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	for i := range reports {
		id := sha256.Sum256([]byte(origin + strconv.Itoa(i)))
		s.store.kept = append(s.store.kept, &kept{Waiting: secretscan.Waiting{ID: id[:], Received: t0.Add(-time.Hour), Origin: origin, Sealed: make([]byte, bytes)}})
	}
}

// counts adds up what the log says of reports that waited.
func (s *server) counts(t testing.TB) (handled, dropped int) {
	t.Helper()
	for line := range strings.Lines(s.log.String()) {
		if _, text, ok := strings.Cut(line, `msg="leak reports that waited" `); ok {
			var h, d int
			if _, err := fmt.Sscanf(text, "handled=%d dropped=%d", &h, &d); err != nil {
				t.Fatal(err)
			}
			handled, dropped = handled+h, dropped+d
		}
	}
	return handled, dropped
}

// An answer is a response, read whole.
type answer struct {
	status int
	header http.Header
	body   string
}

func sign(t testing.TB, key *ecdsa.PrivateKey, body string) string {
	t.Helper()
	sum := sha256.Sum256([]byte(body))
	der, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}

// send sends a body with the headers of a signature.
func (s *server) send(t testing.TB, id, signature string, body io.Reader) answer {
	t.Helper()
	r, err := http.NewRequest("POST", s.url, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if id != "" {
		r.Header.Set("GITHUB-PUBLIC-KEY-IDENTIFIER", id)
	}
	if signature != "" {
		r.Header.Set("GITHUB-PUBLIC-KEY-SIGNATURE", signature)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, strings.TrimSpace(string(text))}
}

// signed sends what the holder of key has signed.
func (s *server) signed(t testing.TB, id string, key *ecdsa.PrivateKey, body string) answer {
	t.Helper()
	return s.send(t, id, sign(t, key, body), strings.NewReader(body))
}

func hash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

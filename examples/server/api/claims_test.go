package api

import (
	"net/http"
	"net/url"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
)

// What docs/operators.md says of a server's connections to Postgres: its pool
// and four for the streams of changes. Hosts that do not answer are passed over.
func TestConnections(t *testing.T) {
	const pool = 5
	name := postgres(t, "pool_max_conns=5")
	u, err := url.Parse(name)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = "127.0.0.1:1," + u.Host
	p := start(t, t.TempDir(), "--database", u.String())
	owner := p.login(p.Email, p.Password)
	db, err := pgx.Connect(t.Context(), name[:len(name)-len("&pool_max_conns=5")])
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close(t.Context())
	most := 0
	var all sync.WaitGroup
	for range 40 {
		all.Go(func() { // a fresh read each
			r, err := http.NewRequest("GET", p.BaseURL+"/v1/api-keys", nil)
			if err != nil {
				t.Error(err)
				return
			}
			r.Header.Set("Authorization", "Session "+owner)
			if res, err := http.DefaultClient.Do(r); err == nil {
				res.Body.Close()
			}
		})
	}
	done := make(chan struct{})
	go func() {
		all.Wait()
		close(done)
	}()
	for waiting := true; waiting; {
		select {
		case <-done:
			waiting = false // and once more
		default:
		}
		var n int
		if err := db.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid()`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		most = max(most, n)
	}
	if most > pool+4 || most < 3 {
		t.Errorf("got %d connections at once, want at most %d", most, pool+4)
	}
}

// Each process counts for itself, so that two allow a plan twice.
func TestEachProcessCounts(t *testing.T) {
	passed := 0
	for _, c := range two(t) { // plan standard: 60 a minute
		for range 100 {
			if c.get().Code == 200 {
				passed++
			}
		}
	}
	if passed != 120 {
		t.Errorf("got %d requests, want 120", passed)
	}
}

// Where sessions are moved to Redis, those of before are refused, and people log
// in again.
func TestSessionsMoveToRedis(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir)
	before := p.login(p.Email, p.Password)
	p.stop()
	p = start(t, dir, "--redis", redisServer(t).URL())
	if a := p.get("/v1/team", before); a.status != 401 {
		t.Errorf("a session of before: got %d, want 401", a.status)
	}
	if a := p.get("/v1/team", p.login(p.Email, p.Password)); a.status != 200 {
		t.Errorf("a new one: got %d, want 200", a.status)
	}
}

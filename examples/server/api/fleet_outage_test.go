package api

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"medtwin.ai/tollgate/adapters/pgstore/pgtest"
	"medtwin.ai/tollgate/adapters/redisstore/redistest"
	"medtwin.ai/tollgate/authn/session"
	"medtwin.ai/tollgate/store"
)

// An outage is what a drill does to a server, and how it ends.
type outage[S any] struct {
	name       string
	down, back func(S) error
	until      func(*traffic) func(count) bool // it has shown all that it does
}

// Whatever happens to Postgres, no valid credential gets a 401, no unverified
// caller passes, and no acknowledged write is lost. Known callers go on, for the
// outage lease at b and for the lease at a. Postgres is killed under 200 requests
// in flight.
func TestPostgresOutage(t *testing.T) {
	var locked *pgx.Conn // by the one drill that does
	for _, o := range []outage[*pgtest.Server]{
		{"killed", (*pgtest.Server).Kill, (*pgtest.Server).Restart, (*traffic).leaseEnded},
		{"hung", (*pgtest.Server).Pause, (*pgtest.Server).Resume, (*traffic).leaseEnded},
		{"pool exhausted", func(s *pgtest.Server) (err error) { // every connection waits for a lock
			if locked, err = pgx.Connect(context.Background(), s.URL()); err == nil {
				_, err = locked.Exec(context.Background(), `BEGIN; LOCK TABLE tollgate.keys IN ACCESS EXCLUSIVE MODE`)
			}
			return err
		}, func(*pgtest.Server) error { return locked.Close(context.Background()) }, (*traffic).othersNotice},
	} {
		t.Run(o.name, func(t *testing.T) {
			l := heavy
			if o.name != "killed" {
				l = light
				t.Parallel()
			}
			server, err := pgtest.Start(pgtest.Config{Durable: true})
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			f := newFleet(t, server.URL("pool_max_conns=8"), "", "--outage-lease", "5m")
			defer f.logs()
			run := f.run(l, f.keys(l.accounts))
			run.drill("database", func() error { return o.down(server) }, func() error { return o.back(server) }, o.until(run))
			run.end()
		})
	}
}

// The same for Redis and users with sessions. Keys do not notice.
func TestRedisOutage(t *testing.T) {
	for _, o := range []outage[*redistest.Server]{
		{"killed", (*redistest.Server).Kill, (*redistest.Server).Restart, (*traffic).leaseEnded},
		{"hung", (*redistest.Server).Pause, (*redistest.Server).Resume, (*traffic).leaseEnded},
	} {
		t.Run(o.name, func(t *testing.T) {
			t.Parallel()
			server, err := redistest.Start(redistest.Config{Durable: true})
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			f := newFleet(t, postgres(t), server.URL(), "--outage-lease", "5m")
			defer f.logs()
			run := f.run(light, f.sessions(light.accounts))
			during := run.drill("redis", func() error { return o.down(server) }, func() error { return o.back(server) }, o.until(run))
			if n := during["strangers"][503]; n > 0 {
				t.Errorf("%d who came with a key noticed", n)
			}
			run.end()
		})
	}
}

// Where Redis has a replica to fail over to, it comes back by itself.
func TestRedisFailover(t *testing.T) {
	down := redistest.Config{Down: 2 * time.Second}
	for _, tt := range []struct {
		name  string
		setup func(t *testing.T) (url string, kill func() error)
	}{
		{"sentinel", func(t *testing.T) (string, func() error) {
			s, err := redistest.StartSentinel(down)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			return sentinelURL(s), s.Master.Kill
		}},
		{"cluster", func(t *testing.T) (string, func() error) {
			c, err := redistest.StartCluster(down)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			return clusterURL(c), c.Masters[0].Kill
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			url, kill := tt.setup(t)
			f := newFleet(t, postgres(t), url, "--outage-lease", "5m")
			defer f.logs()
			run := f.run(light, f.sessions(light.accounts))
			run.drill("", kill, func() error { return nil }, run.healed)
			run.end()
		})
	}
}

// keys are those of many accounts: what those of one account may ask for free is
// limited for all of them together.
func (f *fleet) keys(n int) (keys []string) {
	for range n {
		keys = append(keys, f.account(1).keys...)
	}
	return keys
}

// sessions are those of many people.
func (f *fleet) sessions(n int) (tokens []string) {
	for range n {
		a := f.account(0)
		tokens = append(tokens, f.session(store.User{ID: a.owner}, a.id))
	}
	return tokens
}

// drill has something go down and come back, and returns the answers in
// between. Readiness has to tell that it is missing, "" where it is not.
func (t *traffic) drill(missing string, down, back func() error, shown func(count) bool) (during map[string]map[int]int) {
	t.t.Helper()
	t.until("everybody has been served", func(n count) bool {
		return n("known to a", 200) > 100 && n("known to b", 200) > 100 && n("new keys", 200) > 20 && n("strangers", 401) > 100
	})
	t.t.Logf("before: %v", t.begin())
	began := time.Now()
	if err := down(); err != nil {
		t.t.Fatal(err)
	}
	t.until("it is noticed", shown)
	t.until("b goes on", func(n count) bool { return n("known to b", 200)+n("known to b", 429) > 100 })
	if a := t.do(t.b, "GET", "/ready", "", ""); missing != "" && (a.status != 503 || text(a.body, "checks", missing) != "unavailable") {
		t.t.Errorf("without %s the server says it is ready: %d %s", missing, a.status, a.body)
	}
	during = t.begin()
	t.t.Logf("down for %v: %v", time.Since(began).Round(10*time.Millisecond), during)
	// What b has heard a change of may not be believed, and what shares its
	// bucket with that is not: of 30 credentials, that may be two or three.
	if b := during["known to b"]; b[503] > (b[200]+b[429])/8 {
		t.t.Errorf("known to b, within its outage lease: %v", b)
	}
	began = time.Now()
	if err := back(); err != nil {
		t.t.Fatal(err)
	}
	t.until("all are served again", func(n count) bool {
		return n("new keys", 200) > 20 && n("known to a", 200)+n("known to a", 429) > 100 && n("strangers", 401) > 100
	})
	t.t.Logf("served again after %v", time.Since(began).Round(time.Millisecond))
	t.recovered(30 * time.Second)
	return during
}

// leaseEnded: a, which has no outage lease, has let nobody in for a second.
func (t *traffic) leaseEnded() func(count) bool {
	return func(n count) bool {
		return n("known to a", 503) > 20 && time.Since(t.passed["known to a"]) > time.Second
	}
}

// othersNotice: those who are not known have to wait, and nobody else.
func (t *traffic) othersNotice() func(count) bool {
	return func(n count) bool { return n("strangers", 503) > 20 && n("known to a", 200) > 1000 }
}

// healed: people can log in again, on every server of a cluster.
func (t *traffic) healed(count) bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for i := range 16 {
		user := store.User{ID: fmt.Sprint("user_nobody", i)}
		if _, _, err := t.desk.sessions.Start(ctx, session.Spec{User: user, Account: "acct_nobody"}, time.Now()); err != nil {
			return false
		}
	}
	return true
}

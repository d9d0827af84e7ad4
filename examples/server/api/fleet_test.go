package api

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"medtwin.ai/tollgate/adapters/redisstore/redistest"
	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authn/session"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

// A fleet is two servers of one database, and the test's own look into it.
type fleet struct {
	t      *testing.T
	a, b   *process
	desk   *server // the same stores, serving nobody
	client *http.Client

	accounts, clients atomic.Int64
}

// newFleet starts both on the database and, where one is named, the Redis of a
// URL. The arguments are those of b alone. The servers run without the race
// detector, which would take most of what the many requests of a drill cost.
func newFleet(t *testing.T, database, redis string, b ...string) *fleet {
	t.Helper()
	return newFleetOf(t, startUnraced, database, redis, b...)
}

// newFleetOf is newFleet with servers that start starts.
func newFleetOf(t *testing.T, start func(*testing.T, string, ...string) *process, database, redis string, b ...string) *fleet {
	t.Helper()
	dir := t.TempDir()
	args := []string{"--database", database, "--redis", redis, "--trusted-proxies", "127.0.0.1"}
	f := &fleet{t: t, client: &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 1000}}}
	t.Cleanup(f.client.CloseIdleConnections)
	f.a = start(t, dir, args...)
	f.b = start(t, dir, append(args, b...)...)
	f.attach(dir, database, redis)
	return f
}

// attach opens the stores of the servers that live in dir.
func (f *fleet) attach(dir, database, redis string) {
	f.t.Helper()
	c := config{database: database, redis: redis, pepperFile: filepath.Join(dir, "tollgate.pepper")}
	var err error
	if f.desk, err = newServer(f.t.Context(), c, slog.New(slog.DiscardHandler)); err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(f.desk.Close)
}

// An account has an owner, the owner's session, and keys that nobody has used.
type account struct {
	id, owner string
	session   string
	ids, keys []string
}

// account makes one, behind the servers' backs.
func (f *fleet) account(keys int) account {
	f.t.Helper()
	ctx, now := f.t.Context(), time.Now()
	n := f.accounts.Add(1)
	a := account{id: keyfmt.NewID("acct_", now)}
	err := f.desk.Accounts().Create(ctx, store.Account{
		ID: a.id, Name: fmt.Sprint("Account ", n), Status: authz.Active, Plan: "enterprise", Limits: "1000000-M, 100000000-D", Created: now.UTC(),
	})
	if err == nil {
		user := store.User{ID: keyfmt.NewID("user_", now), Email: fmt.Sprintf("owner%d@example.org", n), Created: now}
		if err = f.desk.Users().Create(ctx, user); err == nil {
			err = f.desk.Memberships().Put(ctx, store.Membership{User: user.ID, Account: a.id, Role: roleOwner, Created: now})
		}
		if err == nil {
			a.owner = user.ID
			a.session = f.session(user, a.id)
		}
	}
	for range keys {
		if err != nil {
			f.t.Fatal(err)
		}
		var k store.Key
		var token keyfmt.Token
		k, token, err = f.desk.keys.Issue(ctx, authn.Operator(a.id), apikey.Spec{Name: "test", Environment: live, Grant: f.desk.everything()}, now)
		a.ids, a.keys = append(a.ids, k.ID), append(a.keys, token.Reveal())
	}
	if err != nil {
		f.t.Fatal(err)
	}
	return a
}

// session begins a session where the servers keep theirs.
func (f *fleet) session(user store.User, account string) string {
	f.t.Helper()
	_, token, err := f.desk.sessions.Start(f.t.Context(), session.Spec{User: user, Account: account}, time.Now())
	if err != nil {
		f.t.Fatal(err)
	}
	return token.Reveal()
}

// do sends a request from a network of its own, so that a refused caller is not
// throttled with others. Status 0 is none: the server could not be reached.
func (f *fleet) do(p *process, method, path, token, body string) answer {
	r, err := http.NewRequestWithContext(context.Background(), method, p.BaseURL+path, strings.NewReader(body))
	if err != nil {
		return answer{body: err.Error()}
	}
	r.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	n := f.clients.Add(1)
	r.Header.Set("X-Forwarded-For", netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}).String())
	res, err := f.client.Do(r)
	if err != nil {
		return answer{body: err.Error()}
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return answer{body: err.Error()}
	}
	return answer{res.StatusCode, res.Header, string(text)}
}

// passes reports whether a server lets a token in.
func (f *fleet) passes(p *process, token string) bool {
	return in(f.do(p, "GET", "/v1/whoami", token, "").status)
}

// in reports whether a caller who got this status was let in: 429 is for a known
// caller who asks too often.
func in(status int) bool { return status == 200 || status == 429 }

// refused asks every so often until a token is refused. It returns when the
// last request that passed and the one that was refused were begun, and how
// that was answered.
func (f *fleet) refused(p *process, token string, every, most time.Duration) (passed, refused time.Time, status int) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for late := time.Now().Add(most); ; <-tick.C {
		refused = time.Now()
		status = f.do(p, "GET", "/v1/whoami", token, "").status
		if !in(status) || refused.After(late) {
			return passed, refused, status
		}
		passed = refused
	}
}

// each runs f for 0 to n-1, some at a time.
func each(n, workers int, f func(i int)) {
	var next atomic.Int64
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				f(int(i))
			}
		})
	}
	all.Wait()
}

// logs shows the last that the servers had to say but for requests, when the
// test has failed.
func (f *fleet) logs() {
	if !f.t.Failed() {
		return
	}
	for _, tt := range []struct {
		name string
		p    *process
	}{{"a", f.a}, {"b", f.b}} {
		lines := slices.DeleteFunc(strings.Split(tt.p.logs.String(), "\n"), func(line string) bool { return strings.Contains(line, `"msg":"request`) })
		f.t.Logf("%s:\n%s", tt.name, strings.Join(lines[max(0, len(lines)-20):], "\n"))
	}
}

// redisServer starts a Redis for the test.
func redisServer(t *testing.T) *redistest.Server {
	t.Helper()
	s, err := redistest.Start(redistest.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func sentinelURL(s *redistest.Sentinel) string {
	return fmt.Sprintf("redis+sentinel://:%s@%s/%s?sentinel_password=%[1]s", s.Password(), strings.Join(s.Addrs(), ","), redistest.MasterName)
}

func clusterURL(c *redistest.Cluster) string {
	return fmt.Sprintf("redis+cluster://:%s@%s", c.Password(), strings.Join(c.Addrs(), ","))
}

// A client that goes to two servers in turn gets its plan once, because they count in
// Redis; with --local-limits each of them counts for itself.
func TestPlanOfTwoServers(t *testing.T) {
	for _, tt := range []struct {
		name     string
		flags    []string
		min, max int
	}{{"shared", nil, 60, 75}, {"local", []string{"--local-limits"}, 119, 121}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server, err := redistest.Start(redistest.Config{})
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			start := func(t *testing.T, dir string, args ...string) *process {
				return start(t, dir, append(args, tt.flags...)...)
			}
			f := newFleetOf(t, start, postgres(t), server.URL())
			a := f.account(1)
			if err := f.desk.Accounts().SetPlan(t.Context(), a.id, "enterprise", "60-H"); err != nil {
				t.Fatal(err)
			}
			passed := 0
			for i := range 160 {
				switch got := f.do([]*process{f.a, f.b}[i%2], "GET", "/v1/projects", a.keys[0], ""); got.status {
				case 200:
					passed++
				case 429:
				default:
					t.Fatalf("got %d %s", got.status, got.body)
				}
			}
			if passed < tt.min || passed > tt.max {
				t.Errorf("%d passed at two servers, want %d to %d", passed, tt.min, tt.max)
			}
		})
	}
}

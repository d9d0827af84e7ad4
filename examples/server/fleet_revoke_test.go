package main

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"medtwin.ai/tollgate/store"
)

// case K9: what one server has revoked, the other refuses: by push within
// 100 ms at p99.
func TestTwoServers(t *testing.T) {
	for _, tt := range []struct {
		name  string
		redis bool
		of    func(f *fleet) (tokens []string, revoke []func() answer)
	}{
		{"keys in Postgres", false, ownKeys},
		{"sessions in Postgres", false, ownSessions},
		{"sessions in Redis", true, ownSessions},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			redis := ""
			if tt.redis {
				redis = redisServer(t).URL()
			}
			f := newFleet(t, postgres(t), redis)
			defer f.logs()
			tokens, revoke := tt.of(f)
			took := make([]time.Duration, len(tokens))
			each(len(tokens), 4, func(i int) {
				if !f.passes(f.b, tokens[i]) {
					t.Error("refused before it was revoked")
				}
				if a := revoke[i](); a.status != 204 {
					t.Errorf("revoke: %d %s", a.status, a.body)
				}
				done := time.Now()
				_, at := f.refused(f.b, tokens[i], 2*time.Millisecond, 10*time.Second)
				took[i] = at.Sub(done)
			})
			slices.Sort(took)
			p := func(q int) time.Duration { return took[(len(took)-1)*q/100] }
			t.Logf("%d revocations: the other server refuses after p50 %v, p99 %v, at most %v", len(took), p(50), p(99), p(100))
			if p(99) > 100*time.Millisecond {
				t.Errorf("p99 is %v, want at most 100ms", p(99))
			}
			if bound := f.desk.keys.MaxRevocationDelay(); p(100) > bound {
				t.Errorf("one took %v, and never may more than %v", p(100), bound)
			}
		})
	}
}

// ownKeys are a thousand keys, revoked by their owners.
func ownKeys(f *fleet) (tokens []string, revoke []func() answer) {
	for range 20 { // an owner makes 60 requests a minute
		a := f.account(50)
		for i, id := range a.ids {
			tokens = append(tokens, a.keys[i])
			revoke = append(revoke, func() answer { return f.do(f.a, "DELETE", "/v1/api-keys/"+id, a.session, "") })
		}
	}
	return tokens, revoke
}

// ownSessions are a thousand sessions that log out.
func ownSessions(f *fleet) (tokens []string, revoke []func() answer) {
	for range 20 {
		a := f.account(0)
		for range 50 {
			token := f.session(store.User{ID: a.owner}, a.id)
			tokens = append(tokens, token)
			revoke = append(revoke, func() answer { return f.do(f.a, "POST", "/v1/auth/logout", token, "") })
		}
	}
	return tokens, revoke
}

// case K9: with the stream of changes cut, or hung half-open, within the lease.
func TestRevocationWithoutStream(t *testing.T) {
	for _, how := range []mode{cut, hung} {
		for _, where := range []string{"Postgres", "Redis"} {
			t.Run(fmt.Sprintf("%s %s", where, map[mode]string{cut: "cut", hung: "hung"}[how]), func(t *testing.T) {
				t.Parallel()
				database, redis := postgres(t), ""
				flag, server, of := "--listen-database", database, ownKeys
				if where == "Redis" {
					redis = redisServer(t).URL()
					flag, server, of = "--redis", redis, ownSessions
				}
				p, proxied := before(t, server)
				f := newFleet(t, database, redis, flag, proxied)
				defer f.logs()
				tokens, revoke := of(f)
				tokens, spare := tokens[:20], tokens[20]
				for _, token := range tokens {
					if !f.passes(f.b, token) {
						t.Fatal("refused before it was revoked")
					}
				}
				p.set(how)
				took := make([]time.Duration, len(tokens))
				passed := make([]time.Duration, len(tokens))
				each(len(tokens), len(tokens), func(i int) {
					if a := revoke[i](); a.status != 204 {
						t.Errorf("revoke: %d %s", a.status, a.body)
					}
					done := time.Now()
					last, at := f.refused(f.b, tokens[i], 100*time.Millisecond, 20*time.Second)
					passed[i], took[i] = last.Sub(done), at.Sub(done)
				})
				bound := f.desk.keys.MaxRevocationDelay()
				t.Logf("%d revocations: the last request to pass was begun %v after, the first to be refused %v to %v; the bound is %v",
					len(took), slices.Max(passed), slices.Min(took), slices.Max(took), bound)
				if slices.Max(passed) > bound {
					t.Errorf("one passed %v after it was revoked", slices.Max(passed))
				}
				if where == "Postgres" && !f.passes(f.b, spare) {
					t.Error("another key is refused, though only the stream is down")
				}
				if slices.Max(passed) < 0 {
					t.Error("none passed after its revocation: the stream was not cut, and nothing is shown")
				}
			})
		}
	}
}

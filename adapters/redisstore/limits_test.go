package redisstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"medtwin.ai/tollgate/adapters/redisstore/redistest"
	"medtwin.ai/tollgate/ratelimit"
	"medtwin.ai/tollgate/ratelimit/limittest"
)

// byCaller has a store of limits decide by the time of the take.
func byCaller(s *Store) ratelimit.Store { return limits{s, true} }

func parsed(t testing.TB, notation string) *ratelimit.Plan {
	t.Helper()
	return must(ratelimit.ParsePlan("test", notation))(t)
}

// The contract of a store of limits, on every Redis. case L23
func TestLimits(t *testing.T) {
	for _, b := range backends {
		if b.name == "sentinel" {
			continue // is one alone
		}
		t.Run(b.name, func(t *testing.T) {
			client := b.client(t)
			limittest.Run(t, func(t *testing.T) ratelimit.Store { return byCaller(open(t, client)) })
		})
	}
}

// Several processes admit together what one would, by the clock of Redis: theirs is an
// hour ahead.
func TestSharedLimit(t *testing.T) {
	for _, b := range backends[1:] {
		t.Run(b.name, func(t *testing.T) {
			first := open(t, b.client(t))
			var allowed atomic.Int64
			var all sync.WaitGroup
			plan := parsed(t, "200-H, 1000-D")
			for range 8 {
				node := open(t, b.client(t), func(c *Config) { c.Prefix = string(first.names) }).Limits()
				all.Go(func() {
					for range 100 {
						d, err := node.Take(t.Context(), ratelimit.Take{Scope: "s", Subject: "acct", Plan: plan, Cost: 1}, time.Now().Add(time.Hour))
						if err != nil {
							t.Error(err)
							return
						}
						if d.Allowed {
							allowed.Add(1)
						}
					}
				})
			}
			all.Wait()
			if n := allowed.Load(); n != 200 {
				t.Errorf("8 processes admitted %d, want 200", n)
			}
		})
	}
}

// case L22: whatever the history, every key expires, and no later than its windows.
func TestLimitsExpire(t *testing.T) {
	s := open(t, must(alone())(t).Client(t))
	store := byCaller(s)
	plans := []*ratelimit.Plan{parsed(t, "5-S"), parsed(t, "100-M"), parsed(t, "10-M, 50-D"), parsed(t, "3-H")}
	r := rand.New(rand.NewPCG(5, 6))
	now := time.Now()
	for range 300 {
		subject := fmt.Sprint("acct", r.IntN(5))
		take := ratelimit.Take{Scope: "s", Subject: subject, Plan: plans[r.IntN(len(plans))], Cost: r.Int64N(3)}
		if _, err := store.Take(t.Context(), take, now); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Duration(r.Int64N(int64(3 * time.Second))))
	}
	keys := must(s.client.Keys(t.Context(), string(s.names)+"limit:*").Result())(t)
	if len(keys) != 5 {
		t.Errorf("got the keys %q, want 5", keys)
	}
	for _, key := range keys {
		if left := must(s.client.PTTL(t.Context(), key).Result())(t); left <= 0 || left > 25*time.Hour {
			t.Errorf("%s expires in %v", key, left)
		}
		text := must(s.client.Get(t.Context(), key).Result())(t)
		if len(text) > 400 || strings.Count(text, "=") > 5 {
			t.Errorf("the state grows: %q", text)
		}
	}
}

// Other processes decide by the same text, so a take that finds another form of it is an
// error, and no quota.
func TestForeignState(t *testing.T) {
	s := open(t, must(alone())(t).Client(t))
	plan := parsed(t, "5-M, 10-D")
	for _, text := range []string{"x", "1;r60000=9,-1:2", "1;d=9", "5;r60000", "1;r60000=5,99:1", "1;d=99999999999,-5"} {
		t.Run(text, func(t *testing.T) {
			if err := s.client.Set(t.Context(), s.names.limit("s", "acct"), text, time.Minute).Err(); err != nil {
				t.Fatal(err)
			}
			d, err := s.Limits().Take(t.Context(), ratelimit.Take{Scope: "s", Subject: "acct", Plan: plan, Cost: 1}, time.Now())
			if err == nil && d.States[0].Remaining > 4 {
				t.Errorf("got %+v", d)
			}
		})
	}
}

// case L8: a limiter over a Redis that is killed, hung or flushed admits by its policy, no
// request waits longer than a time-out and a little, and the shared count goes on
// afterwards.
func TestLimitsOutage(t *testing.T) {
	for _, tt := range []struct {
		name       string
		down, back func(*redistest.Server) error
	}{
		{"killed", (*redistest.Server).Kill, (*redistest.Server).Restart},
		{"hung", (*redistest.Server).Pause, (*redistest.Server).Resume},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := must(redistest.Start(redistest.Config{Durable: true}))(t)
			defer server.Close()
			s := open(t, server.Client(t))
			var log strings.Builder
			limiter := must(ratelimit.New(ratelimit.Config{Store: s.Limits(), Logger: slog.New(slog.NewTextHandler(&log, nil))}))(t)
			plan := parsed(t, "50-H")
			take := func() bool {
				d, err := limiter.Take(t.Context(), "acct", plan, 1, time.Now())
				if err != nil {
					t.Fatal(err)
				}
				return d.Allowed
			}
			for i := range 20 {
				if !take() {
					t.Fatalf("take %d was refused", i)
				}
			}
			if err := tt.down(server); err != nil {
				t.Fatal(err)
			}
			passed, began := 0, time.Now()
			for range 200 {
				if take() {
					passed++
				}
			}
			if took := time.Since(began); passed != 30 || took > 10*time.Second {
				t.Errorf("without Redis %d of 200 passed in %v, want the 30 that were left", passed, took)
			}
			if err := tt.back(server); err != nil {
				t.Fatal(err)
			}
			// Nobody knows whether Redis has counted the take that it did not answer, so
			// one more may pass.
			more := 0
			poll(t, "the limiter does not use Redis again", func() bool {
				if take() {
					more++
				}
				return strings.Contains(log.String(), "answers again")
			})
			for range 5 {
				if take() {
					more++
				}
			}
			if more > 1 {
				t.Errorf("%d takes passed beyond the quota", more)
			}
			d := must(s.Limits().Take(t.Context(), ratelimit.Take{Scope: "plan", Subject: "acct", Plan: plan}, time.Now()))(t)
			if d.States[0].Remaining != 0 {
				t.Errorf("Redis knows of %d fewer than were admitted", d.States[0].Remaining)
			}
		})
	}
}

// case L21: what does not heal by itself opens no limit.
func TestLimitsMisconfigured(t *testing.T) {
	server := must(alone())(t)
	options := server.Options()
	options.Password = "wrong"
	s := open(t, closing(t, redis.NewClient(options)))
	for _, policy := range []ratelimit.OnOutage{ratelimit.Local, ratelimit.Open, ratelimit.Closed} {
		limiter := must(ratelimit.New(ratelimit.Config{Store: s.Limits(), OnOutage: policy, Timeout: 5 * time.Second, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}))(t)
		if _, err := limiter.Take(t.Context(), "acct", parsed(t, "5-M"), 1, time.Now()); !errors.Is(err, ratelimit.ErrMisconfigured) || !errors.Is(err, ratelimit.ErrUnavailable) {
			t.Errorf("policy %d with a wrong password: got %v", policy, err)
		}
	}
	healthy := open(t, server.Client(t))
	if err := healthy.client.LPush(t.Context(), healthy.names.limit("s", "list"), "x").Err(); err != nil {
		t.Fatal(err)
	}
	if err := healthy.client.Expire(t.Context(), healthy.names.limit("s", "list"), time.Minute).Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := healthy.Limits().Take(t.Context(), ratelimit.Take{Scope: "s", Subject: "list", Plan: parsed(t, "5-M"), Cost: 1}, time.Now()); !errors.Is(err, ratelimit.ErrMisconfigured) {
		t.Errorf("a key of another type: got %v", err)
	}
}

// A Redis that forgets its scripts is given them again.
func TestLimitsScriptFlush(t *testing.T) {
	s := open(t, must(alone())(t).Client(t))
	for i := range 3 {
		d, err := s.Limits().Take(t.Context(), ratelimit.Take{Scope: "s", Subject: "acct", Plan: parsed(t, "5-M"), Cost: 1}, time.Now())
		if err != nil || d.States[0].Remaining != int64(4-i) {
			t.Fatalf("take %d: %+v %v", i, d, err)
		}
		if err := s.client.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// One take, of a minute and a day, beside a PING: go test -bench Limits.
func BenchmarkLimits(b *testing.B) {
	client := must(alone())(b).Client(b)
	s, plan := open(b, client), parsed(b, "1000000-M, 1000000000-D")
	for _, tt := range []struct {
		name string
		call func(ctx context.Context, i int) error
	}{
		{"ping", func(ctx context.Context, _ int) error { return client.Ping(ctx).Err() }},
		{"take", func(ctx context.Context, i int) error {
			_, err := s.Limits().Take(ctx, ratelimit.Take{Scope: "s", Subject: fmt.Sprint("acct", i%10_000), Plan: plan, Cost: 1}, time.Now())
			return err
		}},
	} {
		b.Run(tt.name, func(b *testing.B) {
			callers(b, 64, func(i int) error { return tt.call(b.Context(), i) })
		})
	}
}

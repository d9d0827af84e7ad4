package redisstore

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"medtwin.ai/tollgate/adapters/redisstore/redistest"
)

// multiply adds sessions of a user that are like one that they have.
var multiply = redis.NewScript(`
	local record = redis.call('HGETALL', KEYS[1])
	local from, to = tonumber(ARGV[1]), tonumber(ARGV[2])
	for n = from, to - 1 do
		local id = string.format('ses_%06d', n)
		redis.call('HSET', ARGV[3] .. id, unpack(record))
		redis.call('PEXPIRE', ARGV[3] .. id, 3600000)
		redis.call('ZADD', KEYS[2], 9e12, id)
	end`)

// Trips is a hook that knows the most words of a trip to Redis, which is busy
// for about so long.
type trips struct{ words int }

func (l *trips) DialHook(next redis.DialHook) redis.DialHook { return next }

func (l *trips) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		l.words = max(l.words, len(cmd.Args()))
		return next(ctx, cmd)
	}
}

func (l *trips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		words := 0
		for _, cmd := range cmds {
			words += len(cmd.Args())
		}
		l.words = max(l.words, words)
		return next(ctx, cmds)
	}
}

// A user may have any number of sessions: all of them end, in steps that keep
// nobody else waiting.
func TestManySessions(t *testing.T) {
	t.Parallel()
	server := must(redistest.Start(redistest.Config{}))(t)
	t.Cleanup(func() { server.Close() })
	client := server.Client(t)
	s := open(t, client)
	const many = 20_000
	o := login("u", 0)
	begin(t, s, o)
	for n := 0; n < many; n += 1000 {
		keys := []string{s.names.session("u", o.ID), s.names.sessions("u")}
		if err := multiply.Run(t.Context(), s.client, keys, n, n+1000, s.names.session("u", "")).Err(); err != nil && err != redis.Nil {
			t.Fatal(err)
		}
	}
	list, err := s.Sessions().List(t.Context(), "u")
	if err != nil || len(list) != mostListed || list[mostListed-1].ID != fmt.Sprintf("ses_%06d", many-mostListed+1) {
		t.Errorf("%d are listed, error %v", len(list), err)
	}
	step := new(trips)
	client.AddHook(step)
	if n, err := s.Sessions().RevokeAll(t.Context(), "u", o.ID, t0); n != many || err != nil {
		t.Errorf("%d have ended, error %v; want %d", n, err, many)
	}
	if most := 300; step.words < mostCalls || step.words > most {
		t.Errorf("got a step of %d words, want %d at most", step.words, most)
	}
	if got, err := s.Sessions().Find(t.Context(), o.Digest); err != nil || !got.Revoked.IsZero() {
		t.Errorf("the one that was kept is revoked at %v, error %v", got.Revoked, err)
	}
}

// Of many changes at once none is missed.
func TestManyChanges(t *testing.T) {
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			s := open(t, b.client(t), func(c *Config) { c.Heartbeat = 500 * time.Millisecond }) // a flood takes its time
			l := watch(t, s)
			ids := make([]string, 5000)
			for n := range ids {
				ids[n] = fmt.Sprintf("user_%06d", n)
			}
			if err := s.Publish(t.Context(), ids...); err != nil {
				t.Fatal(err)
			}
			l.alive(t)
			heard := map[string]bool{}
			for _, e := range l.all() {
				if e.call == "Forget" {
					heard[e.id] = true
				}
				if e.call == "end" {
					t.Errorf("the watch has ended: %v", e.err)
				}
			}
			if len(heard) != len(ids) {
				t.Errorf("of %d changes %d are heard of", len(ids), len(heard))
			}
		})
	}
}

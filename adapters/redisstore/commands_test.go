package redisstore

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"medtwin.ai/tollgate/adapters/redisstore/redistest"
	"medtwin.ai/tollgate/store"
)

// commands is what Redis is asked to do, by us and by the driver, and since
// which release it can. Valkey began with the commands of 7.2.
var commands = map[string]string{
	"del": "1.0.0", "eval": "2.6.0", "evalsha": "2.6.0", "exec": "1.2.0", "exists": "1.0.0", "get": "1.0.0", "getex": "6.2.0",
	"hdel": "2.0.0", "hello": "6.0.0", "hget": "2.0.0", "hmget": "2.0.0", "hset": "2.0.0", "multi": "1.2.0",
	"pexpire": "2.6.0", "pttl": "2.6.0", "publish": "2.0.0", "scan": "2.8.0", "set": "1.0.0",
	"subscribe": "2.0.0", "time": "2.6.0", "wait": "3.0.0", "zadd": "1.2.0", "zrange": "1.2.0", "zrem": "1.2.0",
	"zremrangebyscore": "1.2.0", "zscore": "1.2.0",
	// In a cluster.
	"cluster|slots": "3.0.0", "command": "2.8.13",
	// By the driver, which does without where there is none.
	"client|setinfo": "7.2.0",
	// Before 7.0 they are counted without what follows.
	"client": "2.4.0", "cluster": "3.0.0",
}

// The server itself counts what it was asked to do, by scripts too, and knows
// since when it can.
func TestCommands(t *testing.T) {
	server := must(redistest.Start(redistest.Config{}))(t)
	t.Cleanup(func() { server.Close() })
	ours := must(cluster())(t)
	for _, tt := range []struct {
		name    string
		servers []*redistest.Server
		client  redis.UniversalClient
	}{
		{"alone", []*redistest.Server{server}, server.Client(t)},
		{"cluster", ours.Masters, ours.Client(t)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var servers []*redis.Client
			for _, s := range tt.servers {
				c := s.Client(t)
				servers = append(servers, c)
				if err := c.ConfigResetStat(t.Context()).Err(); err != nil {
					t.Fatal(err)
				}
			}
			everything(t, open(t, tt.client))
			used := map[string]bool{}
			for _, c := range servers {
				for _, name := range asked(t, c) {
					used[name] = true
				}
			}
			for name := range used {
				since, ok := commands[name]
				if !ok {
					t.Errorf("%s is not on the list", name)
				}
				if known := release(t, servers[0], name); known != "" && known != since {
					t.Errorf("%s came with Redis %s, and the list says %s", name, known, since)
				}
				if since > "6.2.0" && name != "client|setinfo" {
					t.Errorf("%s came with Redis %s", name, since)
				}
			}
			for _, name := range []string{"evalsha", "hset", "zremrangebyscore", "wait", "scan", "publish", "subscribe", "getex"} {
				if !used[name] {
					t.Errorf("%s was not asked for: this test has missed something", name)
				}
			}
		})
	}
}

// everything calls every method of a store.
func everything(t *testing.T, s *Store) {
	t.Helper()
	sure := open(t, s.client, func(c *Config) { c.Prefix, c.Replicas = string(s.names), 1 })
	l := watch(t, s)
	o := login("u", 1)
	begin(t, s, o, login("u", 2))
	for _, tt := range []struct {
		what string
		err  error
	}{
		{"Create", s.Sessions().Create(t.Context(), o)},
		{"Touch", s.Sessions().Touch(t.Context(), []store.Use{{ID: o.ID, At: t0}})},
		{"Publish", s.Publish(t.Context(), "user_1")},
		{"Ready", s.Ready(t.Context())},
		{"Revoke", sure.Sessions().Revoke(t.Context(), "u", o.ID, t0)},
	} {
		if tt.err != nil && !errors.Is(tt.err, store.ErrConflict) && !errors.Is(tt.err, errReplicas) {
			t.Errorf("%s: %v", tt.what, tt.err)
		}
	}
	_, find := s.Sessions().Find(t.Context(), o.Digest)
	_, get := s.Sessions().Get(t.Context(), "u", o.ID)
	_, list := s.Sessions().List(t.Context(), "u")
	_, all := s.Sessions().RevokeAll(t.Context(), "u", "", t0)
	_, prune := s.Sessions().Prune(t.Context(), t0.AddDate(1, 0, 0), 1000)
	if err := errors.Join(find, get, list, all, prune); err != nil {
		t.Error(err)
	}
	l.forgets(t, o.ID)
	l.alive(t)
}

// asked returns what a server was asked to do since its statistics were reset.
func asked(t *testing.T, c *redis.Client) (list []string) {
	info := must(c.Info(t.Context(), "commandstats").Result())(t)
	for line := range strings.Lines(info) {
		name, _, ok := strings.Cut(strings.TrimPrefix(line, "cmdstat_"), ":")
		// These commands are sent by this test and by replicas.
		others := []string{"info", "config", "config|resetstat", "command|docs", "replconf", "ping"}
		if ok && strings.HasPrefix(line, "cmdstat_") && !slices.Contains(others, name) {
			list = append(list, name)
		}
	}
	return list
}

// release returns since when a server can do that, or "" where it does not say.
func release(t *testing.T, c *redis.Client, name string) string {
	reply, err := c.Do(context.WithoutCancel(t.Context()), "command", "docs", name).Result()
	if err != nil {
		return "" // COMMAND DOCS is of 7.0
	}
	all, ok := reply.(map[any]any)
	if !ok {
		t.Fatalf("COMMAND DOCS answers with a %T", reply)
	}
	about, ok := all[name].(map[any]any)
	if !ok {
		return ""
	}
	since, _ := about["since"].(string)
	return since
}

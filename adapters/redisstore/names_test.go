package redisstore

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

// odd are users whose names could break those of keys.
var odd = []string{"", "a", "a}b", "{", "}", "{}", "1:a", "a:ses_1", "}:x{", "名\r\n", "*?[x]\\"}

func TestNames(t *testing.T) {
	n := names("p:")
	seen := map[string]string{}
	for _, user := range append(odd, "名\x00", "\xff\xfe") { // which no store takes, but names hold
		for _, id := range []string{"", "ses_1", "b:ses_1", "}ses_1"} {
			if other, ok := seen[n.session(user, id)]; ok {
				t.Errorf("%q and %q have the same name", user+" "+id, other)
			}
			seen[n.session(user, id)] = user + " " + id
		}
		if got, err := n.user(n.sessions(user)); got != user || err != nil {
			t.Errorf("the list of %q is that of %q, error %v", user, got, err)
		}
	}
	for _, bad := range []string{"", "p:sessions:", "p:sessions:{1:ab}", "p:sessions:{9:a}", "p:sessions:{-1:}", "p:sessions:{x}", "q:sessions:{1:a}"} {
		if user, err := n.user(bad); err == nil {
			t.Errorf("%q is the list of %q", bad, user)
		}
	}
}

// A cluster keeps whatever is a user's in one place.
func TestOddUsers(t *testing.T) {
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			s := open(t, b.client(t), func(c *Config) { c.Prefix = fmt.Sprintf("[o*%d?]\\:", opened.Add(1)) })
			l := watch(t, s)
			for i, user := range odd {
				one, two := login("x", 2*i), login("x", 2*i+1)
				one.User, two.User = user, user
				one.ID += user // which is as odd
				begin(t, s, one, two)
				if list, err := s.Sessions().List(t.Context(), user); err != nil || len(list) != 2 {
					t.Errorf("%q: %d sessions, error %v", user, len(list), err)
				}
				if err := s.Sessions().Touch(t.Context(), []store.Use{{ID: one.ID, At: t0}}); err != nil {
					t.Error(err)
				}
				if got, err := s.Sessions().Find(t.Context(), one.Digest); err != nil || !got.Seen.Equal(t0) || got.User != user {
					t.Errorf("%q: found %+v, error %v", user, got, err)
				}
				if n, err := s.Sessions().RevokeAll(t.Context(), user, "", t0); n != 2 || err != nil {
					t.Errorf("%q: %d revoked, error %v", user, n, err)
				}
				l.forgets(t, one.ID)
			}
			if n, err := s.Sessions().Prune(t.Context(), t0.AddDate(1, 0, 0), 1000); n != 2*len(odd) || err != nil {
				t.Errorf("%d pruned, error %v; want %d", n, err, 2*len(odd))
			}
		})
	}
}

// Neither keys nor values have what would let somebody in.
func TestNoCredentials(t *testing.T) {
	m := miniredis.RunT(t)
	s := open(t, small(t, m), func(c *Config) { c.Prefix = "" })
	format := must(keyfmt.New("sess_"))(t)
	token := format.Generate()
	o := login("user_1", 1)
	o.Digest = keyfmt.InsecureUnpeppered().Digest(token)
	begin(t, s, o)
	dump := m.Dump()
	secret := strings.TrimPrefix(token.Reveal(), "sess_")
	if strings.Contains(dump, secret) {
		t.Errorf("the token is in\n%s", dump)
	}
	want := []string{
		fmt.Sprintf("tollgate:digest:0::%x", o.Digest.Sum),
		"tollgate:id:ses_user_1_000001",
		"tollgate:session:{6:user_1}:ses_user_1_000001",
		"tollgate:sessions:{6:user_1}",
	}
	if d := cmp.Diff(want, m.Keys()); d != "" {
		t.Errorf("keys (-want +got):\n%s", d)
	}
}

// Every key has an expiry: that of its session and the retention, or that of
// the longest session of a list.
func TestExpiries(t *testing.T) {
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			client := b.client(t)
			s := open(t, client, func(c *Config) { c.Retention = 24 * time.Hour })
			long, short, expired, timeless, eternal := login("u", 1), login("u", 2), login("u", 3), login("u", 4), login("v", 1)
			long.Expires = long.Created.Add(100 * time.Hour)
			expired.Expires = expired.Created.Add(-time.Hour)
			timeless.Expires = time.Time{}
			eternal.Created = time.Time{}
			begin(t, s, short, long, expired, timeless, eternal)
			left := func(key string) time.Duration {
				t.Helper()
				d, err := client.PTTL(t.Context(), key).Result()
				if err != nil {
					t.Fatal(err)
				}
				return d
			}
			for _, tt := range []struct {
				o    store.Session
				want time.Duration
			}{{short, 25 * time.Hour}, {long, 124 * time.Hour}, {expired, 24 * time.Hour}, {timeless, 24 * time.Hour}, {eternal, longest + 24*time.Hour}} {
				for _, key := range []string{s.names.session(tt.o.User, tt.o.ID), s.names.id(tt.o.ID), s.names.digest(tt.o.Digest)} {
					if got := left(key); got > tt.want || got < tt.want-time.Minute {
						t.Errorf("%s: %v, want %v", key, got, tt.want)
					}
				}
			}
			if got := left(s.names.sessions("u")); got < 124*time.Hour || got > 125*time.Hour {
				t.Errorf("the list of a user: %v, want little more than their longest session", got)
			}
		})
	}
}

// Redis drops a session when its retention is over, and a list loses those
// that were dropped.
func TestDropped(t *testing.T) {
	m := miniredis.RunT(t)
	s := open(t, small(t, m))
	wall := time.Now()
	pass := func(d time.Duration) {
		m.FastForward(d)
		wall = wall.Add(d)
		m.SetTime(wall)
	}
	m.SetTime(wall)
	week := 7 * 24 * time.Hour
	begin(t, s, login("u", 1))
	pass(week + time.Hour - time.Second)
	if _, err := s.Sessions().Find(t.Context(), login("u", 1).Digest); err != nil {
		t.Errorf("within the retention: %v", err)
	}
	begin(t, s, login("u", 2))
	pass(time.Second)
	if _, err := s.Sessions().Find(t.Context(), login("u", 1).Digest); err != store.ErrNotFound {
		t.Errorf("after the retention: %v, want ErrNotFound", err)
	}
	if list, err := s.Sessions().List(t.Context(), "u"); err != nil || len(list) != 1 || list[0].ID != login("u", 2).ID {
		t.Errorf("the list has %d sessions, error %v", len(list), err)
	}
	pass(2 * time.Minute)
	begin(t, s, login("u", 3))
	ids := must(s.client.ZRange(context.Background(), s.names.sessions("u"), 0, -1).Result())(t)
	if d := cmp.Diff([]string{login("u", 2).ID, login("u", 3).ID}, ids); d != "" {
		t.Errorf("ids that the list holds (-want +got):\n%s", d)
	}
	pass(2 * week)
	if keys := m.Keys(); len(keys) > 0 {
		t.Errorf("left behind: %q", keys)
	}
}

// A clock of Redis that jumps hides no session from those who end all.
func TestClockJumps(t *testing.T) {
	m := miniredis.RunT(t)
	s := open(t, small(t, m))
	wall := time.Now()
	for n, jump := range []time.Duration{0, time.Hour, -24 * time.Hour, 12 * time.Hour} {
		m.SetTime(wall.Add(jump))
		begin(t, s, login("u", n))
	}
	if n, err := s.Sessions().RevokeAll(t.Context(), "u", "", t0); n != 4 || err != nil {
		t.Errorf("of 4 sessions %d have ended, error %v", n, err)
	}
}

// Mistakes of a configuration are told at once, and all of them.
func TestConfig(t *testing.T) {
	heeds := &redis.Options{ContextTimeoutEnabled: true}
	for _, tt := range []struct {
		c    Config
		want []string
	}{
		{Config{}, []string{"Client is required"}},
		{Config{Client: redis.NewClient(&redis.Options{})}, []string{"ContextTimeoutEnabled"}},
		{Config{Client: redis.NewClusterClient(&redis.ClusterOptions{})}, []string{"ContextTimeoutEnabled"}},
		{Config{Client: redis.NewClusterClient(&redis.ClusterOptions{ContextTimeoutEnabled: true, RouteRandomly: true})}, []string{"replicas"}},
		{Config{Client: redis.NewClusterClient(&redis.ClusterOptions{ContextTimeoutEnabled: true, ReadOnly: true})}, []string{"replicas"}},
		{Config{Client: redis.NewRing(&redis.RingOptions{})}, []string{"*redis.Ring"}},
		{Config{Client: redis.NewClient(heeds), Prefix: "{a}", Retention: -1, Replicas: -1, Heartbeat: -1},
			[]string{"Prefix", "Retention", "Replicas", "Heartbeat"}},
		{Config{Client: redis.NewClient(heeds), Heartbeat: 6*time.Second + 1}, []string{"Heartbeat"}},
	} {
		_, err := New(tt.c)
		if err == nil {
			t.Errorf("%+v is accepted", tt.c)
			continue
		}
		for _, want := range tt.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q does not tell of %s", err, want)
			}
		}
		if got := strings.Count(err.Error(), "redisstore: "); got != len(tt.want) {
			t.Errorf("%d mistakes are told, want %d: %v", got, len(tt.want), err)
		}
	}
}

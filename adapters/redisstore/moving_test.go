package redisstore

import (
	"context"
	"errors"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"medtwin.ai/tollgate/adapters/redisstore/redistest"
	"medtwin.ai/tollgate/store"
)

// A slot moves from one master of a cluster to another while sessions begin and
// end. On the way, with some of its keys here and some there, what cannot be
// answered is an error, and no session is said to be gone; the stream knows
// where it hears nothing.
func TestMovingSlots(t *testing.T) {
	t.Parallel()
	cl := must(redistest.StartCluster(redistest.Config{}))(t)
	t.Cleanup(func() { cl.Close() })
	client := cl.Client(t)
	s := open(t, client)
	var sessions []store.Session
	for n := range 50 {
		sessions = append(sessions, login("u", n))
	}
	begin(t, s, sessions...)
	l := watch(t, s)
	w := work(t, s)
	poll(t, "no session was revoked", func() bool { return w.count() > 100 })
	witness := must(s.masters(t.Context()))(t)[0].witness
	for _, tt := range []struct {
		what string
		key  string
	}{{"the slot of a user", s.names.sessions("u")}, {"the slot of a witness", witness}} {
		m := newMove(t, cl, client, tt.key)
		m.begin(t)
		m.migrate(t, 1+len(must(m.from.ClusterGetKeysInSlot(t.Context(), m.slot, 1000).Result())(t))/2)
		unsure, sure := 0, 0
		for _, o := range sessions {
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			got, err := s.Sessions().Get(ctx, o.User, o.ID)
			cancel()
			switch {
			case errors.Is(err, store.ErrNotFound) || err == nil && got.ID != o.ID:
				t.Fatalf("while %s moves: %v", tt.what, err)
			case err != nil:
				unsure++
			default:
				sure++
			}
		}
		_, err := s.Sessions().RevokeAll(t.Context(), "u", sessions[0].ID, t0)
		t.Logf("while %s moves: %d of the user's sessions are read, %d are not, RevokeAll: %v", tt.what, sure, unsure, err)
		m.migrate(t, 1000)
		m.end(t)
		n := len(l.all())
		poll(t, "nothing is revoked", func() bool {
			_, err := s.Sessions().RevokeAll(t.Context(), "u", sessions[0].ID, t0)
			return err == nil
		})
		for _, o := range sessions[1:] {
			if got, err := s.Sessions().Find(t.Context(), o.Digest); err != nil || got.Revoked.IsZero() {
				t.Errorf("after %s has moved, %s is revoked at %v, error %v", tt.what, o.ID, got.Revoked, err)
			}
		}
		if got, err := s.Sessions().Find(t.Context(), sessions[0].Digest); err != nil || !got.Revoked.IsZero() {
			t.Errorf("after %s has moved, the session that was kept is revoked at %v, error %v", tt.what, got.Revoked, err)
		}
		l.hear(t, "a sign of life", n, func(e event) bool { return e.call == "Alive" && e.at.After(m.ended) })
	}
	w.audit(t, l)
}

// A move is that of a slot from one master to another.
type move struct {
	slot         int
	from, to     *redis.Client
	fromID, toID string
	all          []*redis.Client
	password     string
	ended        time.Time
}

func newMove(t *testing.T, cl *redistest.Cluster, client *redis.ClusterClient, key string) *move {
	t.Helper()
	m := &move{slot: int(client.ClusterKeySlot(t.Context(), key).Val()), password: cl.Password()}
	owner := must(client.MasterForKey(t.Context(), key))(t)
	for _, server := range cl.Masters {
		c := server.Client(t)
		m.all = append(m.all, c)
		switch {
		case server.Addr() == owner.Options().Addr:
			m.from = c
		case m.to == nil:
			m.to = c
		}
	}
	id := func(c *redis.Client) string { return must(c.Do(t.Context(), "cluster", "myid").Text())(t) }
	m.fromID, m.toID = id(m.from), id(m.to)
	return m
}

func (m *move) set(t *testing.T, c *redis.Client, args ...any) {
	t.Helper()
	if err := c.Do(t.Context(), append([]any{"cluster", "setslot", m.slot}, args...)...).Err(); err != nil {
		t.Fatal(err)
	}
}

func (m *move) begin(t *testing.T) {
	m.set(t, m.to, "importing", m.fromID)
	m.set(t, m.from, "migrating", m.toID)
}

// migrate moves up to so many keys.
func (m *move) migrate(t *testing.T, most int) {
	t.Helper()
	host, port, _ := net.SplitHostPort(m.to.Options().Addr)
	for _, key := range must(m.from.ClusterGetKeysInSlot(t.Context(), m.slot, most).Result())(t) {
		args := []any{"migrate", host, port, key, 0, strconv.Itoa(5000), "auth", m.password}
		if err := m.from.Do(t.Context(), args...).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// end tells every master, the new one first.
func (m *move) end(t *testing.T) {
	m.set(t, m.to, "node", m.toID)
	for _, c := range m.all {
		m.set(t, c, "node", m.toID)
	}
	m.ended = time.Now()
}

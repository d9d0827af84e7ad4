package redisstore

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"medtwin.ai/tollgate/store"
)

var errCrash = errors.New("the process has died")

// A crash is a hook that lets through so many trips to Redis and fails those
// that follow. The last of them reaches Redis where its answer is lost.
type crash struct {
	left   atomic.Int64
	unsent bool
}

func (c *crash) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (c *crash) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := c.trip(func() error { return next(ctx, cmd) })
		cmd.SetErr(err)
		return err
	}
}

func (c *crash) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := c.trip(func() error { return next(ctx, cmds) })
		if errors.Is(err, errCrash) {
			for _, cmd := range cmds {
				cmd.SetErr(err)
			}
		}
		return err
	}
}

func (c *crash) trip(next func() error) error {
	n := c.left.Add(-1)
	if n >= 0 {
		return next()
	}
	if n == -1 && !c.unsent {
		_ = next() // nobody hears the answer
	}
	return errCrash
}

// crashes runs f again and again, on a new store, with one trip more before the
// process dies, until f gets to its end. Then it runs check on a store that
// works.
func crashes(t *testing.T, prepare func(*Store), f func(*Store) error, check func(s *Store, trips int)) {
	for _, unsent := range []bool{false, true} {
		for trips := 0; ; trips++ {
			m := miniredis.RunT(t)
			sound := open(t, small(t, m))
			prepare(sound)
			_, _ = revoke.Load(t.Context(), sound.client).Result() // so that f takes no trip to say it
			for _, script := range []*redis.Script{create, touch, drop} {
				_, _ = script.Load(t.Context(), sound.client).Result()
			}
			client := small(t, m)
			c := &crash{unsent: unsent}
			c.left.Store(int64(trips))
			client.AddHook(c)
			err := f(open(t, client, func(c *Config) { c.Prefix = string(sound.names) }))
			if err != nil && !errors.Is(err, errCrash) {
				t.Fatalf("after %d trips: %v", trips, err)
			}
			check(sound, trips)
			if err == nil {
				if trips < 2 {
					t.Errorf("%d trips to Redis: this shows nothing", trips)
				}
				break
			}
		}
	}
}

// Whenever a Create dies, nobody finds a session that cannot be revoked, and
// the same session can be created by another call.
func TestCreateDies(t *testing.T) {
	t.Parallel()
	o := login("u", 1)
	crashes(t, func(*Store) {}, func(s *Store) error { return s.Sessions().Create(t.Context(), o) }, func(s *Store, trips int) {
		got, err := s.Sessions().Find(t.Context(), o.Digest)
		switch {
		case err == nil:
			if n, err := s.Sessions().RevokeAll(t.Context(), "u", "", t0); n != 1 || err != nil {
				t.Errorf("after %d trips a session is found, and RevokeAll ends %d, error %v", trips, n, err)
			}
			if err := s.Sessions().Revoke(t.Context(), "u", got.ID, t0); err != nil {
				t.Errorf("after %d trips a session is found, and Revoke gives %v", trips, err)
			}
		case errors.Is(err, store.ErrNotFound):
			if err := s.Sessions().Create(t.Context(), o); err != nil {
				t.Errorf("after %d trips the session cannot be created again: %v", trips, err)
			}
			if got, err := s.Sessions().Find(t.Context(), o.Digest); err != nil || got.ID != o.ID {
				t.Errorf("after %d trips the session that is created again is not found: %v", trips, err)
			}
		default:
			t.Errorf("after %d trips: %v", trips, err)
		}
		thief := login("v", 2)
		thief.Digest = o.Digest
		if err := s.Sessions().Create(t.Context(), thief); !errors.Is(err, store.ErrConflict) {
			t.Errorf("after %d trips another session under the same digest: %v", trips, err)
		}
	})
}

// Whenever a Prune dies, the next one does the rest.
func TestPruneDies(t *testing.T) {
	t.Parallel()
	old := []store.Session{login("u", 1), login("u", 2), login("v", 1)}
	prune := func(s *Store) error {
		_, err := s.Sessions().Prune(t.Context(), t0.AddDate(0, 0, 1), 1000)
		return err
	}
	crashes(t, func(s *Store) { begin(t, s, old...) }, prune, func(s *Store, trips int) {
		if err := prune(s); err != nil {
			t.Fatal(err)
		}
		if keys := must(s.client.Keys(t.Context(), "*").Result())(t); len(keys) > 0 {
			t.Errorf("after %d trips there is still %q", trips, keys)
		}
	})
}

// Whenever RevokeAll dies, the next one does the rest; what it says it has
// ended is ended.
func TestRevokeAllDies(t *testing.T) {
	t.Parallel()
	var list []store.Session
	for n := range mostCalls + 10 { // two runs of the script
		list = append(list, login("u", n))
	}
	said := 0
	revokeAll := func(s *Store) (err error) {
		said, err = s.Sessions().RevokeAll(t.Context(), "u", "", t0)
		return err
	}
	crashes(t, func(s *Store) { begin(t, s, list...) }, revokeAll, func(s *Store, trips int) {
		ended := 0
		for _, o := range must(s.Sessions().List(t.Context(), "u"))(t) {
			if !o.Revoked.IsZero() {
				ended++
			}
		}
		if ended < said {
			t.Errorf("after %d trips %d are ended, and said were %d", trips, ended, said)
		}
		rest, err := s.Sessions().RevokeAll(t.Context(), "u", "", t0)
		if err != nil || ended+rest != len(list) {
			t.Errorf("after %d trips %d were ended, then %d, error %v; want all %d", trips, ended, rest, err, len(list))
		}
	})
}

// twice sends every script two times, as the driver does when an answer is
// lost with its connection.
type twice struct{ *crash }

func (twice) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if strings.HasPrefix(cmd.Name(), "eval") || cmd.Name() == "set" {
			_ = next(ctx, cmd)
			cmd.SetErr(nil)
		}
		return next(ctx, cmd)
	}
}

func (twice) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func TestSentTwice(t *testing.T) {
	client := small(t, miniredis.RunT(t))
	client.AddHook(twice{})
	s := open(t, client)
	o := login("u", 1)
	begin(t, s, o)
	if err := s.Sessions().Create(t.Context(), o); !errors.Is(err, store.ErrConflict) {
		t.Errorf("created again: %v, want ErrConflict", err)
	}
	if err := s.Sessions().Revoke(t.Context(), "u", o.ID, t0.Add(time.Second)); err != nil {
		t.Error(err)
	}
	if got, err := s.Sessions().Find(t.Context(), o.Digest); err != nil || !got.Revoked.Equal(t0.Add(time.Second)) {
		t.Errorf("revoked at %v, error %v", got.Revoked, err)
	}
}

// The pointers that a refused Create leaves behind lead to no session.
func TestRefused(t *testing.T) {
	s := open(t, small(t, miniredis.RunT(t)))
	o := login("u", 1)
	begin(t, s, o)
	other := o
	other.Digest.Sum[0]++
	if err := s.Sessions().Create(t.Context(), other); !errors.Is(err, store.ErrConflict) {
		t.Errorf("another session with the same id: %v, want ErrConflict", err)
	}
	if got, err := s.Sessions().Find(t.Context(), other.Digest); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("its digest finds %q, error %v", got.ID, err)
	}
}

// Redis may be set to evict. Whatever it takes, no session comes back, and none
// is found that RevokeAll would miss.
func TestEvicted(t *testing.T) {
	one, two := login("u", 1), login("u", 2)
	for _, key := range []func(names) string{
		func(n names) string { return n.sessions("u") },
		func(n names) string { return n.session("u", one.ID) },
		func(n names) string { return n.digest(one.Digest) },
		func(n names) string { return n.id(one.ID) },
	} {
		m := miniredis.RunT(t)
		s := open(t, small(t, m))
		begin(t, s, one, two)
		for n, o := range []store.Session{one, two} {
			if n == 1 {
				if err := s.Sessions().Revoke(t.Context(), "u", two.ID, t0); err != nil {
					t.Fatal(err)
				}
			}
			evicted := key(s.names)
			m.Del(evicted)
			if _, err := s.Sessions().RevokeAll(t.Context(), "u", "", t0); err != nil {
				t.Errorf("without %s: %v", evicted, err)
			}
			got, err := s.Sessions().Find(t.Context(), o.Digest)
			if err != nil && !errors.Is(err, store.ErrNotFound) || err == nil && got.Revoked.IsZero() {
				t.Errorf("without %s a session is found that was not revoked, error %v", evicted, err)
			}
		}
	}
}

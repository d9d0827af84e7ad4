package pgstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"medtwin.ai/tollgate/adapters/pgstore/pgtest"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

// durable starts a server to be hurt, with the settings of a real one.
func durable(t *testing.T) *pgtest.Server {
	t.Helper()
	s, err := pgtest.Start(pgtest.Config{Durable: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// soon returns a context that ends before any time-out of a test.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

// everyCall is a call of every kind, on records that are there.
var everyCall = []struct {
	name string
	call func(context.Context, *Store) error
}{
	{"Find", func(ctx context.Context, s *Store) error {
		_, _, err := s.Keys().Find(ctx, newKey(1).Digest)
		return err
	}},
	{"Touch", func(ctx context.Context, s *Store) error {
		return s.Keys().Touch(ctx, []store.Use{{ID: newKey(1).ID, At: t0}})
	}},
	{"BeginGrace", func(ctx context.Context, s *Store) error { return s.Keys().BeginGrace(ctx, newKey(1).ID, t0) }},
	{"Get", func(ctx context.Context, s *Store) error {
		_, err := s.KeyAdmin().Get(ctx, "acct_1", newKey(1).ID)
		return err
	}},
	{"List", func(ctx context.Context, s *Store) error {
		_, err := s.KeyAdmin().List(ctx, "acct_1", "", 10)
		return err
	}},
	{"Update", func(ctx context.Context, s *Store) error {
		_, err := s.KeyAdmin().Update(ctx, "acct_1", newKey(1).ID, store.KeyUpdate{Was: newKey(1).Grant, Name: new("x")}, t0)
		return err
	}},
	{"Revoke", func(ctx context.Context, s *Store) error {
		return s.KeyAdmin().Revoke(ctx, "acct_1", newKey(2).ID, "", t0)
	}},
	{"SetStatus", func(ctx context.Context, s *Store) error { return s.Accounts().SetStatus(ctx, "acct_1", authz.Active) }},
	{"Users.Get", func(ctx context.Context, s *Store) error {
		_, err := s.Users().Get(ctx, "user_1")
		return err
	}},
	{"Memberships.Get", func(ctx context.Context, s *Store) error {
		_, err := s.Memberships().Get(ctx, "acct_1", "user_1")
		return err
	}},
	{"Sessions.Find", func(ctx context.Context, s *Store) error {
		_, err := s.Sessions().Find(ctx, newSession(1).Digest)
		return err
	}},
	{"Ready", func(ctx context.Context, s *Store) error { return s.Ready(ctx) }},
}

// A server that is killed, hangs or was shut down is no answer, and no watch
// over it is alive. When it is back so is the store, without being told.
// case K9, for the stream and its heartbeat
func TestOutages(t *testing.T) {
	hurt := durable(t)
	c := Config{URL: hurt.URL("pool_max_conns=6"), Heartbeat: 20 * time.Millisecond}
	s := open(t, c)
	s.beatTimeout = 2 * time.Second
	newKeys(t, s, 2)
	newLogin(t, s)
	for _, fault := range []struct {
		name        string
		begin, mend func() error
	}{
		{"killed", hurt.Kill, hurt.Restart},
		{"stopped", hurt.Stop, hurt.Restart},
		{"hung", hurt.Pause, hurt.Resume},
	} {
		t.Run(fault.name, func(t *testing.T) {
			w, ended := watch(t, s)
			within(t, 10*time.Second, "a heartbeat", func() bool { return !w.alive().IsZero() })
			if err := fault.begin(); err != nil {
				t.Fatal(err)
			}
			down := time.Now()
			for range 2 { // with the old connections, and with new ones
				for _, tt := range everyCall {
					outage(t, tt.name, tt.call(soon(t), s))
				}
			}
			if _, err := Open(soon(t), c); err == nil {
				t.Error("Open succeeded")
			} else {
				outage(t, "Open", err)
			}
			ends(t, ended)
			outage(t, "Watch again", s.Watch(soon(t), w))
			if w.alive().After(down) {
				t.Errorf("Alive(%v) of a server that was down from %v on", w.alive(), down)
			}
			if err := fault.mend(); err != nil {
				t.Fatal(err)
			}
			within(t, 20*time.Second, "the store works again", func() bool {
				for _, tt := range everyCall {
					if tt.call(t.Context(), s) != nil {
						return false
					}
				}
				return true
			})
			w, _ = watch(t, s)
			if err := s.Accounts().SetPlan(t.Context(), "acct_1", fault.name, ""); err != nil {
				t.Error(err)
			}
			w.hear(t, "acct_1")
		})
	}

	// The connections of the pool are all in use, and stay so: the stream has
	// its own.
	t.Run("pool exhausted", func(t *testing.T) {
		w, _ := watch(t, s)
		for range s.pool.Config().MaxConns {
			c, err := s.pool.Acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Release()
		}
		for _, tt := range everyCall {
			outage(t, tt.name, tt.call(soon(t), s))
		}
		now := time.Now()
		within(t, 10*time.Second, "another heartbeat", func() bool { return w.alive().After(now) })
	})

	// case K12: a miss reads the primary
	t.Run("standby", func(t *testing.T) {
		if err := hurt.Demote(); err != nil {
			t.Fatal(err)
		}
		_, err := Open(t.Context(), c)
		outage(t, "Open of a standby", err)
		if err == nil || !strings.Contains(err.Error(), "standby") && !strings.Contains(err.Error(), "primary") {
			t.Errorf("Open of a standby: %v", err)
		}
		_, _, err = s.Keys().Find(t.Context(), newKey(1).Digest)
		outage(t, "Find on a standby", err)
		outage(t, "Watch on a standby", s.Watch(soon(t), &calls{c: make(chan string, 10)}))
	})
}

// A server killed at any moment loses no key, no session and no revocation that
// it has acknowledged. case T8
func TestKill(t *testing.T) {
	hurt := durable(t)
	s := open(t, Config{URL: hurt.URL("pool_max_conns=6")})
	newAccount(t, s)
	for _, tt := range []struct {
		setting string
		want    string
	}{{"fsync", "on"}, {"synchronous_commit", "on"}, {"full_page_writes", "on"}} {
		var got string
		if err := s.row(t.Context(), `SELECT current_setting($1)`, tt.setting).Scan(&got); err != nil || got != tt.want {
			t.Errorf("%s is %s (error %v), want %s", tt.setting, got, err, tt.want)
		}
	}
	for round, lines := range []int{5, 60, 300} {
		acknowledged := map[string]string{}
		var mu sync.Mutex
		said := make(chan struct{}, 10_000)
		say := func(what, id string) {
			mu.Lock()
			defer mu.Unlock()
			acknowledged[id] = what
			said <- struct{}{}
		}
		var toiling sync.WaitGroup
		for worker := range 4 {
			toiling.Go(func() {
				err := toil(t.Context(), s, 1_000_000*(round+1)+10_000*worker, say)
				outage(t, "a call in the middle of which the server was killed", err)
			})
		}
		for range lines {
			<-said
		}
		if err := hurt.Kill(); err != nil {
			t.Fatal(err)
		}
		toiling.Wait()
		if err := hurt.Restart(); err != nil {
			t.Fatal(err)
		}
		within(t, 20*time.Second, "the store works again", func() bool { return s.Ready(t.Context()) == nil })
		for id, what := range acknowledged {
			k, err := s.KeyAdmin().Get(t.Context(), "acct_1", id)
			revoked := k.Revoked
			if strings.HasPrefix(id, "ses_") {
				var o store.Session
				o, err = s.Sessions().Get(t.Context(), "user_1", id)
				revoked = o.Revoked
			}
			if errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s was acknowledged and is lost", id)
			} else if err != nil {
				t.Error(err)
			} else if what == "revoked" && !revoked.Equal(t0) {
				t.Errorf("the revocation of %s was acknowledged and is lost", id)
			}
		}
	}
}

// toil creates and revokes keys and sessions until it cannot, and says so after
// each is acknowledged.
func toil(ctx context.Context, s *Store, first int, say func(what, id string)) error {
	for n := first; n < first+10_000; n++ {
		k, o := newKey(n), newSession(n)
		if err := s.KeyAdmin().Create(ctx, k, 100_000, t0); err != nil {
			return err
		}
		say("created", k.ID)
		if err := s.Sessions().Create(ctx, o); err != nil {
			return err
		}
		say("created", o.ID)
		if n%2 == 0 {
			continue
		}
		if err := s.KeyAdmin().Revoke(ctx, "acct_1", k.ID, "leaked", t0); err != nil {
			return err
		}
		say("revoked", k.ID)
		if err := s.Sessions().Revoke(ctx, "user_1", o.ID, t0); err != nil {
			return err
		}
		say("revoked", o.ID)
	}
	return fmt.Errorf("nobody has killed the server")
}

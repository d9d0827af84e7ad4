package redisstore

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/session"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/memory"
)

// lease is how long nodes believe what they know without a sign of life.
const lease = 2 * time.Second

// A fleet is nodes that keep their sessions in Redis, and their users in
// another store that they share.
type fleet struct {
	people *memory.Store
	model  *authz.Model
	prefix string
}

func newFleet(t testing.TB) *fleet {
	t.Helper()
	f := &fleet{
		people: must(memory.New(memory.Config{}))(t),
		model:  must(authz.NewModel(authz.ModelConfig{Permissions: []string{"read"}}))(t),
	}
	for _, err := range []error{
		f.people.Accounts().Create(t.Context(), store.Account{ID: "acct_1", Status: authz.Active}),
		f.people.Users().Create(t.Context(), store.User{ID: "user_1", Status: authz.Active}),
		f.people.Memberships().Put(t.Context(), store.Membership{User: "user_1", Account: "acct_1", Role: "any"}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// A node has a client of its own.
type node struct {
	*session.Manager
	redis *Store
	alive *lastAlive
	stop  func() // ends Run, which writes down the last uses
}

// node adds one, whose stream is up unless it has none.
func (f *fleet) node(t testing.TB, client redis.UniversalClient, streams bool) *node {
	t.Helper()
	n := &node{redis: open(t, client)}
	if f.prefix == "" {
		f.prefix = string(n.redis.names)
	}
	n.redis.names = names(f.prefix)
	c := session.Config{
		Store: n.redis.Sessions(), Users: f.people.Users(), Memberships: f.people.Memberships(), Accounts: f.people.Accounts(),
		Model: f.model, Roles: func(store.Membership) []authz.Grant { return []authz.Grant{f.model.Everything()} },
		Format: must(keyfmt.New("sess_"))(t), Peppers: keyfmt.Unpeppered(), Lease: lease,
	}
	n.alive = &lastAlive{Changes: store.Join(n.redis, f.people)}
	if streams {
		c.Changes = n.alive
	}
	n.Manager = must(session.New(c))(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = n.Run(ctx)
	}()
	n.stop = func() { cancel(); <-done }
	t.Cleanup(n.stop)
	if streams {
		n.settle(t)
	}
	return n
}

// settle waits until the node has heard of all changes until now.
func (n *node) settle(t testing.TB) {
	t.Helper()
	now := time.Now()
	poll(t, "the stream was not up", func() bool {
		at := n.alive.at.Load()
		return at != nil && at.After(now)
	})
}

// lastAlive keeps the newest sign of life of a stream.
type lastAlive struct {
	store.Changes
	at atomic.Pointer[time.Time]
}

func (l *lastAlive) Watch(ctx context.Context, w store.Watcher) error {
	return l.Changes.Watch(ctx, noting{w, l})
}

type noting struct {
	store.Watcher
	last *lastAlive
}

func (n noting) Alive(at time.Time) {
	n.Watcher.Alive(at)
	n.last.at.Store(&at)
}

func (f *fleet) start(t testing.TB, n *node) (store.Session, string) {
	t.Helper()
	u := must(f.people.Users().Get(t.Context(), "user_1"))(t)
	s, token, err := n.Start(t.Context(), session.Spec{User: u, Account: "acct_1"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return s, token.Reveal()
}

func (n *node) enter(t testing.TB, token string, now time.Time) error {
	_, err := n.Authenticate(t.Context(), authn.NewCredential("Session", token), now)
	return err
}

// What one node revokes, the others refuse at once, whichever of the two
// stores it is in.
// case K9, with the stream up, and cut
func TestRevokedOnAnotherNode(t *testing.T) {
	for _, b := range backends[1:] {
		t.Run(b.name, func(t *testing.T) {
			f := newFleet(t)
			a, other := f.node(t, b.client(t), true), f.node(t, b.client(t), true)
			for what, end := range map[string]func(store.Session) error{
				"the session": func(s store.Session) error {
					return a.redis.Sessions().Revoke(t.Context(), "user_1", s.ID, time.Now())
				},
				"the session, while nobody hears": func(s store.Session) error {
					cut(t, a.redis)
					return a.redis.Sessions().Revoke(t.Context(), "user_1", s.ID, time.Now())
				},
				"all sessions": func(store.Session) error {
					_, err := a.redis.Sessions().RevokeAll(t.Context(), "user_1", "", time.Now())
					return err
				},
				"the user's sessions": func(store.Session) error {
					_, err := f.people.Users().EndSessions(t.Context(), "user_1")
					return err
				},
			} {
				s, token := f.start(t, a)
				if err := other.enter(t, token, time.Now()); err != nil {
					t.Fatal(err)
				}
				if err := end(s); err != nil {
					t.Fatal(err)
				}
				ended := time.Now()
				poll(t, what+" was not refused", func() bool { return errors.Is(other.enter(t, token, time.Now()), authn.ErrRevoked) })
				if took := time.Since(ended); took >= lease {
					t.Errorf("%s: refused after %v, no sooner than without a stream", what, took)
				}
			}
		})
	}
}

// With the stream half-open, a session that has ended is refused when the
// lease is over, and not before: until then the node knows nothing.
// case K9, with the stream hung
func TestRevokedUnheard(t *testing.T) {
	t.Parallel()
	f, m := newFleet(t), &mute{}
	o := must(alone())(t).Options()
	o.Dialer = m.dial
	client := redis.NewClient(o)
	t.Cleanup(func() { client.Close() })
	a, deaf := f.node(t, must(alone())(t).Client(t), true), f.node(t, client, true)
	s, token := f.start(t, a)
	deaf.settle(t)
	if err := deaf.enter(t, token, time.Now()); err != nil {
		t.Fatal(err)
	}
	m.on.Store(true)
	if err := a.redis.Sessions().Revoke(t.Context(), "user_1", s.ID, time.Now()); err != nil {
		t.Fatal(err)
	}
	revoked := time.Now()
	if err := deaf.enter(t, token, revoked); err != nil {
		t.Errorf("%v: it was not remembered, so this test shows nothing of the bound", err)
	}
	if err := deaf.enter(t, token, revoked.Add(deaf.MaxRevocationDelay())); !errors.Is(err, authn.ErrRevoked) {
		t.Errorf("after the bound: %v, want ErrRevoked", err)
	}
}

// case S11: what ends the sessions of a user while he logs in ends that one
// too, though users and sessions are in different stores.
func TestBornDead(t *testing.T) {
	for name, end := range map[string]func(*fleet) error{
		"everywhere": func(f *fleet) error { _, err := f.people.Users().EndSessions(t.Context(), "user_1"); return err },
		"password": func(f *fleet) error {
			_, err := f.people.Users().SetPassword(t.Context(), "user_1", "", "new")
			return err
		},
		"suspension": func(f *fleet) error {
			return errors.Join(f.people.Users().SetStatus(t.Context(), "user_1", authz.Suspended),
				f.people.Users().SetStatus(t.Context(), "user_1", authz.Active))
		},
	} {
		f := newFleet(t)
		n := f.node(t, must(alone())(t).Client(t), true)
		read := must(f.people.Users().Get(t.Context(), "user_1"))(t)
		if err := end(f); err != nil {
			t.Fatal(err)
		}
		_, token, err := n.Start(t.Context(), session.Spec{User: read, Account: "acct_1"}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if err := n.enter(t, token.Reveal(), time.Now()); !errors.Is(err, authn.ErrRevoked) {
			t.Errorf("%s: %v, want ErrRevoked", name, err)
		}
	}
}

// case S9: 10,000 requests make one write.
// case S7: one of a session that has ended since makes none.
func TestUses(t *testing.T) {
	f := newFleet(t)
	client := must(alone())(t).Client(t)
	var touches atomic.Int64
	client.AddHook(counting(func(cmd redis.Cmder) {
		if args := cmd.Args(); len(args) > 1 && slices.Contains([]any{touch.Hash()}, args[1]) {
			touches.Add(1)
		}
	}))
	n := f.node(t, client, false)
	s, token := f.start(t, n)
	now := time.Now().Add(time.Hour) // later than the log-in, which counts as a use
	for range 10_000 {
		if err := n.enter(t, token, now); err != nil {
			t.Fatal(err)
		}
	}
	read := func() store.Session {
		t.Helper()
		return must(n.redis.Sessions().Get(t.Context(), "user_1", s.ID))(t)
	}
	n.stop()
	if seen := read().Seen; seen.IsZero() || touches.Load() != 1 {
		t.Errorf("10,000 requests were %d writes, want 1; seen at %v", touches.Load(), seen)
	}
	if err := n.redis.Sessions().Revoke(t.Context(), "user_1", s.ID, now); err != nil {
		t.Fatal(err)
	}
	before := read()
	if err := n.enter(t, token, now.Add(lease/2)); err != nil { // nobody has told this node
		t.Fatal(err)
	}
	if err := n.redis.Sessions().Touch(t.Context(), []store.Use{{ID: s.ID, At: now.Add(time.Hour)}}); err != nil {
		t.Fatal(err)
	}
	if got := read(); got != before {
		t.Errorf("after the log-out: %+v, want %+v", got, before)
	}
}

// counting calls itself with every command.
type counting func(redis.Cmder)

func (c counting) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (c counting) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error { c(cmd); return next(ctx, cmd) }
}

func (c counting) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		for _, cmd := range cmds {
			c(cmd)
		}
		return next(ctx, cmds)
	}
}

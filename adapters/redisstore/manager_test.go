package redisstore

import (
	"cmp"
	"context"
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
const lease = 10 * time.Second

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
func (f *fleet) node(t testing.TB, client redis.UniversalClient, streams bool, change ...func(*session.Config)) *node {
	t.Helper()
	n := &node{redis: open(t, client, func(c *Config) { c.Prefix = cmp.Or(f.prefix, c.Prefix) })}
	f.prefix = string(n.redis.names)
	c := session.Config{
		Model: f.model, Roles: func(store.Membership) []authz.Grant { return []authz.Grant{f.model.Everything()} },
		Format: must(keyfmt.New("sess_"))(t), Peppers: keyfmt.InsecureUnpeppered(), Lease: lease,
	}
	n.alive = &lastAlive{Changes: n.redis}
	c.Store = store.WithSessions(f.people, n.redis.Sessions(), silent{})
	if streams {
		c.Store = store.WithSessions(f.people, n.redis.Sessions(), n.alive)
	}
	for _, f := range change {
		f(&c)
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
		n.waitHeard(t)
	}
	return n
}

// waitHeard waits until the node has heard of all changes to sessions until now.
// The other store tells of its changes before its calls return.
func (n *node) waitHeard(t testing.TB) {
	t.Helper()
	now := time.Now()
	poll(t, "the stream was not up", func() bool {
		at := n.alive.at.Load()
		return at != nil && at.After(now)
	})
}

// silent is a stream that never comes up.
type silent struct{}

func (silent) Watch(ctx context.Context, _ store.Watcher) error {
	<-ctx.Done()
	return ctx.Err()
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

// enter makes a request.
func (n *node) enter(t testing.TB, token string, now time.Time) error {
	_, err := n.Authenticate(t.Context(), authn.NewCredential("Session", token), now)
	return err
}

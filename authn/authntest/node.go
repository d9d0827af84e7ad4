package authntest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authn/session"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/internal/overlay"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/storetest"
)

// A node is one process of the service. It has its own connection to the
// database, its own caches and its own stream of changes.
type node struct {
	*fleet
	storetest.Backend
	wire     *wire
	keys     *apikey.Manager
	sessions *session.Manager
	stop     func() // ends it, once it has written down all uses
}

// node opens the database, and returns when both managers of the node have
// begun to watch it. Before that, a change could be missed without being a
// mistake.
func (f *fleet) node(change ...func(*apikey.Config, *session.Config)) *node {
	f.Helper()
	b := f.open()
	n := &node{fleet: f, Backend: b, wire: &wire{from: b, taps: map[*tap]bool{}, cut: make(chan struct{})}}
	db := overlay.Changes(b, n.wire)
	k := apikey.Config{
		Store: db, Model: f.model, Roles: f.roles,
		Formats: map[string]keyfmt.Format{"live": f.live}, Peppers: f.peppers, Lease: lease,
	}
	s := session.Config{
		Store: db, Model: f.model, Roles: f.roles, Format: f.sess, Peppers: f.peppers, Lease: lease,
	}
	for _, c := range change {
		c(&k, &s)
	}
	n.keys, n.sessions = must(apikey.New(k)), must(session.New(s))
	ctx, cancel := context.WithCancel(context.WithoutCancel(f.Context()))
	var running sync.WaitGroup
	running.Go(func() { n.keys.Run(ctx) })
	running.Go(func() { n.sessions.Run(ctx) })
	n.stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	f.Cleanup(n.stop)
	f.until("a node watches", func() bool { return n.wire.heard("Gap") })
	f.nodes = append(f.nodes, n)
	return n
}

// A credential is a key or a session, with its token.
type credential struct {
	id, token string
	about     []string // whose changes are changes of it
	session   bool
}

// key makes a key of the user on this node.
func (n *node) key() credential {
	n.Helper()
	spec := apikey.Spec{Name: "key", Environment: "live", Grant: n.model.Everything(), Expires: time.Now().Add(240 * time.Hour), Owner: user}
	k, token, err := n.keys.Issue(n.Context(), authn.Operator(account), spec, time.Now())
	n.must(err)
	return credential{k.ID, token.Reveal(), []string{k.ID, account, user}, false}
}

// start begins a session of the user on this node.
func (n *node) start() credential {
	n.Helper()
	u, err := n.Users().Get(n.Context(), user)
	n.must(err)
	s, token, err := n.sessions.Start(n.Context(), session.Spec{User: u, Account: account}, time.Now())
	n.must(err)
	return credential{s.ID, token.Reveal(), []string{s.ID, account, user}, true}
}

// principal returns who brings the credential to this node at now.
func (n *node) principal(c credential, now time.Time) (*authn.Principal, error) {
	if c.session {
		return n.sessions.Authenticate(n.Context(), authn.NewCredential("session", c.token), now)
	}
	return n.keys.Authenticate(n.Context(), authn.NewCredential("bearer", c.token), now)
}

// errDenied says that the caller is known, and may not read p1.
var errDenied = errors.New("denied")

// enter authenticates the holder of c, and decides whether they may read p1. So
// it sees changes of rights as well as ends.
func (n *node) enter(c credential, now time.Time) error {
	p, err := n.principal(c, now)
	if err != nil {
		return err
	}
	d := p.Rights.Decide(authz.Request{
		Permission: "read", Endpoint: "projects.get", Environment: "live", Resources: [4]authz.Resource{{Kind: "projects", ID: "p1"}},
	})
	if !d.Allowed {
		return fmt.Errorf("%w: %s", errDenied, d.Code)
	}
	return nil
}

// remember makes the node cache the credential, so that it does not ask the
// store again. It first waits for all changes so far, because one that arrives
// later would empty the cache, and the check would show nothing.
func (n *node) remember(c credential) {
	n.Helper()
	n.waitHeard()
	if err := n.enter(c, time.Now()); err != nil {
		n.Fatalf("to begin with: %v", err)
	}
}

// end revokes c on this node, in the way its holder or the operator would.
func (n *node) end(c credential) {
	n.Helper()
	now := time.Now()
	if !c.session {
		n.must(n.keys.Revoke(n.Context(), authn.Operator(account), c.id, "", now))
		return
	}
	p, err := n.principal(c, now)
	n.must(err)
	n.must(n.sessions.Revoke(n.Context(), p, c.id, now))
}

// waitHeard waits until every node has heard of all changes so far. It makes a
// change of its own, and waits until that has arrived: streams are in order.
func (f *fleet) waitHeard() {
	f.Helper()
	f.markers++
	id := fmt.Sprint("acct_marker", f.markers)
	f.must(f.nodes[0].Accounts().Create(f.Context(), store.Account{ID: id, Status: authz.Active, Created: time.Now()}))
	for _, n := range f.nodes {
		f.until("a change is heard of", func() bool { return n.wire.heard(id) })
		n.wire.clear()
	}
}

// hears waits until the node has heard that c has changed. A node may hear of
// the key, of its account or of its user, or may be told of a gap.
func (n *node) hears(c credential) {
	n.Helper()
	n.until("a change is heard of", func() bool { return n.wire.heard(append(c.about, "Gap")...) })
}

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

// A node is a process of the service.
type node struct {
	*fleet
	storetest.Backend
	wire     *wire
	keys     *apikey.Manager
	sessions *session.Manager
	stop     func() // ends it, once it has written down all uses
}

// node opens the database and begins to watch it.
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

// A credential is of a key or of a session.
type credential struct {
	id, token string
	about     []string // whose changes are changes of it
	session   bool
}

// key issues one of the user.
func (n *node) key() credential {
	n.Helper()
	spec := apikey.Spec{Name: "key", Environment: "live", Grant: n.model.Everything(), Expires: time.Now().Add(240 * time.Hour), Owner: user}
	k, token, err := n.keys.Issue(n.Context(), authn.Operator(account), spec, time.Now())
	n.must(err)
	return credential{k.ID, token.Reveal(), []string{k.ID, account, user}, false}
}

// start logs the user in.
func (n *node) start() credential {
	n.Helper()
	u, err := n.Users().Get(n.Context(), user)
	n.must(err)
	s, token, err := n.sessions.Start(n.Context(), session.Spec{User: u, Account: account}, time.Now())
	n.must(err)
	return credential{s.ID, token.Reveal(), []string{s.ID, account, user}, true}
}

// principal is who brings the credential to the node at now.
func (n *node) principal(c credential, now time.Time) (*authn.Principal, error) {
	if c.session {
		return n.sessions.Authenticate(n.Context(), authn.NewCredential("session", c.token), now)
	}
	return n.keys.Authenticate(n.Context(), authn.NewCredential("bearer", c.token), now)
}

// errDenied: the caller is known, and may not read p1.
var errDenied = errors.New("denied")

// enter reads p1 as the holder of c.
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

// remember has the node know the credential, so that it is asked about no more.
func (n *node) remember(c credential) {
	n.Helper()
	n.waitHeard()
	if err := n.enter(c, time.Now()); err != nil {
		n.Fatalf("to begin with: %v", err)
	}
}

// end revokes it as its holder, or the operator, would on this node.
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

// waitHeard waits until every node has heard of all changes so far.
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

// hears waits until the node has heard that c has changed.
func (n *node) hears(c credential) {
	n.Helper()
	n.until("a change is heard of", func() bool { return n.wire.heard(append(c.about, "Gap")...) })
}

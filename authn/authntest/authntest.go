// Package authntest checks what keys and sessions do over a backend that
// several nodes of a service share: what one node ends, the others refuse.
//
// The test of a backend calls [Run] with a function that makes a new and empty
// database. That function returns another one, which opens the database once
// more, as another process would:
//
//	func TestManagers(t *testing.T) {
//		authntest.Run(t, func(t *testing.T) func() storetest.Backend {
//			path := filepath.Join(t.TempDir(), "db")
//			return func() storetest.Backend { return mystore.Open(path) }
//		})
//	}
//
// What is opened is closed by a cleanup of t.
//
// Every node has managers of keys and sessions with caches, and a stream of
// changes that a check can cut or hang (a wire). The lease of the caches is an
// hour. So whatever a node refuses within a check, it refuses because it was
// told, and not because an entry has ended by itself. A check that wants an
// entry to end by itself passes a later time.
package authntest

import (
	"context"
	"testing"
	"time"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/storetest"
)

// Run checks the managers over the databases that open makes, one subtest for
// each check. The subtests are named after the security cases that they cover.
func Run(t *testing.T, open func(t *testing.T) (node func() storetest.Backend)) {
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) { c.run(newFleet(t, open(t), 10*time.Second)) })
	}
}

// A check is named after the security cases that it covers: see
// docs/security-cases.md. A test that calls Run names them too.
type check struct {
	name string
	run  func(*fleet)
}

var checks = []check{
	{"K8 what has ended stays ended under load", stays},
	{"K9 one node hears of another, or its lease ends", bound},
	{"K10 what was being read is not put back", inFlight},
	{"K11, K12 every mutator invalidates, after its commit", mutators},
	{"S7 a request in flight does not bring a session back", logOut},
	{"S9 many uses are one write, and time does not go back", uses},
	{"S11 a session whose user has changed is born dead", bornDead},
	{"T8 who is told to end under load loses nothing", ending},
}

// tb is what a check needs of a [testing.T], so that this package's own tests
// can run it over backends that fail.
type tb interface {
	Helper()
	Cleanup(func())
	Context() context.Context
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

const (
	account = "acct_1"
	user    = "user_1"

	lease = time.Hour // of nodes: within it nothing is forgotten but by push
)

// A fleet is several nodes over one database. The database has an account, and
// a user who is a member of it.
type fleet struct {
	tb
	open         func() storetest.Backend
	eventTimeout time.Duration // of the wait for an event that must come
	model        *authz.Model
	live, sess   keyfmt.Format // of keys and sessions
	peppers      *keyfmt.Keyring
	nodes        []*node
	markers      int // see waitHeard
}

// newFleet returns a fleet over a new database. It has no nodes yet.
func newFleet(t tb, open func() storetest.Backend, eventTimeout time.Duration) *fleet {
	f := &fleet{
		tb: t, open: open, eventTimeout: eventTimeout, live: must(keyfmt.New("mt_live_")), sess: must(keyfmt.New("sess_")),
		model:   must(authz.NewModel(authz.ModelConfig{Permissions: []string{"read", "write"}, ReadOnly: []string{"read"}, Kinds: []string{"projects"}})),
		peppers: must(keyfmt.NewKeyring(keyfmt.GeneratePepper("p1"))),
	}
	f.found(open())
	return f
}

// found makes the account and the user.
func (f *fleet) found(b storetest.Backend) {
	f.Helper()
	now := time.Now()
	f.must(b.Accounts().Create(f.Context(), store.Account{ID: account, Status: authz.Active, Created: now}))
	f.must(b.Users().Create(f.Context(), store.User{ID: user, Email: "u@example.org", Status: authz.Active, Created: now}))
	f.must(b.Memberships().Put(f.Context(), store.Membership{User: user, Account: account, Role: "editor", Created: now}))
}

// roles give editors everything, and nobody else anything.
func (f *fleet) roles(m store.Membership) []authz.Grant {
	if m.Role != "editor" {
		return nil
	}
	g := f.model.Everything()
	if ids, ok := m.Scope["projects"]; ok {
		g.Scope["projects"] = ids
	}
	return []authz.Grant{g}
}

// must ends the check if there is an error in its preparation.
func (f *fleet) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatalf("%v", err)
	}
}

// until waits for ok to return true. It fails the check after eventTimeout, so
// that a backend that says nothing does not hang the test.
func (f *fleet) until(what string, ok func() bool) {
	f.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for late := time.After(f.eventTimeout); !ok(); {
		select {
		case <-tick.C:
		case <-late:
			f.Fatalf("%s: not within %v", what, f.eventTimeout)
		}
	}
}

// must panics, because an error is a mistake of the suite itself.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

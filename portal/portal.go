// Package portal is where the customers of an API help themselves: they log in, make,
// limit, rotate and revoke keys, and see their team, their usage and their audit log, as
// JSON.
//
// [Declare] adds its routes to a gate. With an application's own login
// (tollgate.Config.User) it leaves out what that does already: log-in, passwords, sessions
// and the team.
package portal

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/portal/wire"
	"medtwin.ai/tollgate/store"
)

// Config of a portal. The vocabulary (permissions, resources, roles, environments and
// plans) is that of the gate.
type Config struct {
	// Gate decides who may call the routes. Required.
	Gate *tollgate.Gate
	// Prefix of the routes. Default: "/v1".
	Prefix string
	// Mail sends invitations, password resets and warnings before a key expires.
	// Default: none is sent, so that only the operator can invite people and reset
	// passwords, with tollgate.Gate.Command.
	Mail Mailer
	// AcceptURL is the page on which people use the token of a mail, which is appended
	// after "#token=": "https://app.example.com/accept". Default: the mail holds the
	// token and says which route takes it.
	AcceptURL string
	// Exists reports whether an account has all of these resources in an environment. It
	// is asked before a key or a member is limited to them. Default: not asked.
	Exists func(ctx context.Context, account, environment, kind string, ids []string) (bool, error)
	// WithoutTeam leaves out the routes of the team, and WithoutAudit that of the audit
	// log. Default: both are there.
	WithoutTeam, WithoutAudit bool
}

// Declare adds the routes of the portal to its gate, and its background work to
// tollgate.Gate.Run. It returns everything that is wrong with c in one error, and panics
// as tollgate.Gate.Handle does if the application has declared one of the routes.
//
// Keys manage no keys: the routes of keys are for people. GET /billing and /audit-log show
// what belongs to the account as a whole. They take tollgate.Config.ManageKeys, in the
// first environment, so that test keys see nothing of it; in an application that has no
// such permission they are for the owners, the holders of the first of
// tollgate.Config.RoleNames.
func Declare(c Config) error {
	p, err := newPortal(c)
	if err != nil {
		return err
	}
	p.declare()
	return nil
}

// Handler is Declare for a router of your own: mount what it returns, which is the gate,
// under the prefix.
func Handler(c Config) (http.Handler, error) {
	if err := Declare(c); err != nil {
		return nil, err
	}
	return c.Gate, nil
}

type portal struct {
	Config
	gate *tollgate.Gate
	of   tollgate.Config // of the gate
	own  bool            // the application has its own login
	post post            // the mail that waits to be sent
	asks asks            // how often strangers may have mail sent
}

func newPortal(c Config) (*portal, error) {
	if c.Gate == nil {
		return nil, errors.New("portal: Config.Gate is required: make it with tollgate.New")
	}
	if c.Prefix == "" {
		c.Prefix = "/v1"
	}
	var errs []error
	if !strings.HasPrefix(c.Prefix, "/") || strings.HasSuffix(c.Prefix, "/") {
		errs = append(errs, fmt.Errorf(`portal: Config.Prefix is %q: want it with a slash in front and none at the end, as in "/v1"`, c.Prefix))
	}
	p := &portal{Config: c, gate: c.Gate, of: c.Gate.Config()}
	if slices.Contains(p.of.Resources, endpoints) {
		errs = append(errs, errors.New(`portal: Config.Resources of the gate has "endpoints", which the scope of a key has for ids of routes: choose another name`))
	}
	for _, role := range p.of.RoleNames {
		if len(p.of.Roles(store.Membership{Role: role})) == 0 {
			errs = append(errs, fmt.Errorf("portal: Config.RoleNames of the gate has %q, to which Config.Roles gives no grants", role))
		}
	}
	p.own = p.of.User != nil
	p.post.waiting = make(chan func(context.Context) (Mail, error), maxWaiting)
	var err error
	p.asks, err = newAsks()
	return p, errors.Join(append(errs, err, p.checkMail())...)
}

// declare is the table of the portal's routes, by file.
func (p *portal) declare() {
	p.declareKeys()
	p.declareAccount()
	if p.Mail != nil {
		p.gate.Background(p.deliver)
	}
	if !p.own {
		p.declareLogin()
		p.declareSessions()
		if !p.WithoutTeam {
			p.declareTeam()
		}
	}
}

// A handler answers a request, or returns an error for tollgate.Gate.Refuse.
type handler func(w http.ResponseWriter, r *http.Request) error

// handle declares a route with the query parameters that it takes. The pattern is a
// method and a path after the prefix.
func (p *portal) handle(pattern string, need authz.Need, h handler, query ...string) {
	need.Cost = -1 // nothing of the plan
	p.gate.Handle(p.prefixed(pattern), need, p.serve(h, query))
}

// public declares a route that anyone may call.
func (p *portal) public(pattern, reason string, h handler) {
	p.gate.Public(p.prefixed(pattern), reason, p.serve(h, nil))
}

func (p *portal) prefixed(pattern string) string {
	method, path, _ := strings.Cut(pattern, " ")
	return method + " " + p.Prefix + path
}

func (p *portal) serve(h handler, query []string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := wire.CheckQuery(r, query...)
		if err == nil {
			err = h(w, r)
		}
		if err != nil {
			p.gate.Refuse(w, r, err)
		}
	})
}

// caller returns who is calling. Every route with a need has one.
func caller(r *http.Request) *authn.Principal {
	p, _ := authn.FromContext(r.Context())
	return &p
}

// changeTimeout limits a change that goes on although the client has hung up.
const changeTimeout = 8 * time.Second

// detached returns a context for a change in several steps, which is not left half-done
// if the client hangs up.
func detached(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), changeTimeout)
}

// record writes into the audit log what the caller has done to a subject in their
// account. The change stands even if it cannot be recorded.
func (p *portal) record(r *http.Request, kind, subject, note string) {
	p.recordIn(r, caller(r).Account, kind, subject, note)
}

// recordIn is record for another account.
func (p *portal) recordIn(r *http.Request, account, kind, subject, note string) {
	by := caller(r)
	actor := by.User
	if actor == "" {
		actor = by.ID
	}
	p.gate.Record(r.Context(), store.Event{Account: account, Actor: actor, Kind: kind, Subject: subject, Address: p.address(r), Note: note})
}

// address is the address of the client as records have it, "" if it is unknown.
func (p *portal) address(r *http.Request) string {
	if a := p.gate.ClientAddr(r); a.IsValid() {
		return a.String()
	}
	return ""
}

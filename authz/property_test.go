package authz_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"medtwin.ai/tollgate/authz"
)

// The properties of this package are functions over a subject, so that the tests
// can be tested: with subjects that are wrong (fault_test.go).

// A subject decides. The true one is this package.
type subject struct {
	within func(child authz.Grant, parents ...authz.Grant) bool
	rights func(authz.Status, ...[]authz.Grant) principal
}

type principal interface {
	Decide(authz.Request) authz.Decision
	Delegate(authz.Grant) authz.Decision
	Visible(q authz.Request, kind string) authz.Set
}

func truth(m *authz.Model) subject {
	return subject{
		within: authz.Grant.Within,
		rights: func(s authz.Status, layers ...[]authz.Grant) principal { return m.Rights(s, layers...) },
	}
}

// A tally counts how often a property had something to check.
type tally map[string]int

// properties return how a subject breaks them in a scene.
var properties = map[string]func(*scene) error{
	"within": within, "delegate": delegate, "generous": generous, "decide": decide, "visible": visible,
}

// A grant that is within valid parents allows nothing that they deny.
func within(s *scene) error {
	if !s.within(s.child, s.valid[0]...) {
		s.tally["not within"]++
		if s.close {
			s.tally["only just not within"]++
		}
		return nil
	}
	s.tally["within"]++
	return s.noMore(s.parents)
}

// A grant that a principal may hand out allows nothing that they are denied.
func delegate(s *scene) error {
	if !s.caller.Delegate(s.child).Allowed {
		s.tally["kept"]++
		return nil
	}
	s.tally["handed out"]++
	return s.noMore(s.caller)
}

// A principal may hand out all that is within a valid grant of every layer, and
// is told why not.
func generous(s *scene) error {
	d, may := s.caller.Delegate(s.child), s.status == authz.Active
	for _, layer := range s.valid {
		may = may && s.within(s.child, layer...)
	}
	if d.Allowed != may || !may && (d.Code != "scope_exceeds_caller" || d.Layer == "" || d.Dimension == "") {
		return fmt.Errorf("Delegate: %+v, want %v", d, may)
	}
	return nil
}

func (s *scene) noMore(than principal) error {
	child := s.rights(authz.Active, []authz.Grant{s.child})
	for _, q := range s.requests {
		switch may, might := child.Decide(q).Allowed, than.Decide(q).Allowed; {
		case may && !might:
			return fmt.Errorf("the child alone is allowed %+v", q)
		case may:
			s.tally["both may"]++
		case might:
			s.tally["narrower"]++
		}
	}
	return nil
}

// Deciding agrees with the definition, written down a second time.
func decide(s *scene) error {
	for _, q := range s.requests {
		d, want := s.caller.Decide(q), s.allows(q)
		if d.Allowed != want || (d.Code == "") != want {
			return fmt.Errorf("%+v: decided %+v, want %v", q, d, want)
		}
		if want {
			s.tally["allowed"]++
		} else {
			s.tally[d.Code]++
		}
	}
	return nil
}

// allows is the definition, slow and plain.
func (w *world) allows(q authz.Request) bool {
	switch {
	case w.status == authz.ReadOnly && q.Writes && !q.Suspended, w.status == authz.Suspended && !q.Suspended, w.status == 0:
		return false
	case q.Recent != 0 && (q.Proved.IsZero() || q.Now.Sub(q.Proved) > q.Recent || q.Proved.Sub(q.Now) > time.Minute):
		return false
	}
	for _, layer := range w.valid {
		if !slices.ContainsFunc(layer, func(g authz.Grant) bool {
			return q.Anyone && q.Resources == [4]authz.Resource{} || holds(g, q)
		}) {
			return false
		}
	}
	return true
}

func holds(g authz.Grant, q authz.Request) bool {
	endpoint := g.Endpoints.Has(q.Endpoint)
	for _, x := range g.Endpoints.Items() {
		stem, ok := strings.CutSuffix(x, ".*")
		endpoint = endpoint || ok && strings.HasPrefix(q.Endpoint, stem+".")
	}
	ok := endpoint && slices.Contains(somePermissions, q.Permission) &&
		g.Permissions.Has(q.Permission) && g.Environments.Has(q.Environment)
	for _, x := range q.Resources {
		ok = ok && (x == authz.Resource{} || g.Scope[x.Kind].Has(x.ID))
	}
	return ok
}

// A list shows what deciding one by one allows, for every resource.
func visible(s *scene) error {
	q := s.requests[0]
	for _, other := range s.requests { // rather one that comes through
		if s.caller.Decide(other).Allowed {
			q = other
			break
		}
	}
	seen := s.caller.Visible(q, s.kind)
	switch {
	case seen.IsAll():
		s.tally["all visible"]++
	case len(seen.Items()) > 0:
		s.tally["some visible"]++
	default:
		s.tally["none visible"]++
	}
	for _, id := range []string{"p1", "p2", "p3", "new", "*", ""} {
		q.Resources[3] = authz.Resource{Kind: s.kind, ID: id}
		if got, want := seen.Has(id), s.caller.Decide(q).Allowed; got != want {
			return fmt.Errorf("%+v: visible %v, allowed %v", q, got, want)
		}
	}
	return nil
}

// Of so many principals, each is tempted to hand out so many grants: 50,000.
const seeds, children = 10_000, 5

// each plays all that a seed makes.
func (s subject) each(m *authz.Model, seed uint64, n tally, f func(*scene) error) error {
	r := newRandom(seed, 4)
	w := r.world(m)
	scene := w.play(s, n)
	for range children {
		r.tempt(w)
		if err := f(scene); err != nil {
			return fmt.Errorf("seed %d: %w\n%+v", seed, err, *w)
		}
	}
	return nil
}

// The properties hold. cases A1, A5, A7, A14
func TestClaims(t *testing.T) {
	m := newModel(t)
	const shards = 4
	for shard := range uint64(shards) {
		t.Run(fmt.Sprint(shard), func(t *testing.T) {
			t.Parallel()
			n := tally{}
			for seed := shard; seed < seeds; seed += shards {
				err := truth(m).each(m, seed, n, func(s *scene) error {
					for name, property := range properties {
						if err := property(s); err != nil {
							return fmt.Errorf("%s: %w", name, err)
						}
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			// A property that checks nothing proves nothing.
			for _, tt := range []struct {
				what  string
				least int
			}{ // in percent of the children
				{"within", 25}, {"not within", 25}, {"only just not within", 15}, {"handed out", 15}, {"kept", 25}, {"both may", 80}, {"narrower", 15},
				{"allowed", 100}, {"missing_permission", 10}, {"endpoint_not_allowed", 10}, {"environment_not_allowed", 10},
				{"out_of_scope", 10}, {"account_suspended", 10}, {"account_read_only", 10}, {"insufficient_user_authentication", 10},
				{"all visible", 5}, {"some visible", 15}, {"none visible", 20},
			} {
				if percent := n[tt.what] * 100 / (seeds * children / shards); percent < tt.least {
					t.Errorf("%s: %d%% of the children, want %d%%", tt.what, percent, tt.least)
				}
			}
			t.Log(n)
		})
	}
}

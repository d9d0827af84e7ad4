package authz_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"medtwin.ai/tollgate/authz"
)

// A bent principal answers some questions in its own way.
type bent struct {
	principal
	decide   func(authz.Request) authz.Decision
	delegate func(authz.Grant) authz.Decision
	visible  func(q authz.Request, kind string) authz.Set
}

func (b bent) Decide(q authz.Request) authz.Decision {
	if b.decide == nil {
		return b.principal.Decide(q)
	}
	return b.decide(q)
}

func (b bent) Delegate(g authz.Grant) authz.Decision {
	if b.delegate == nil {
		return b.principal.Delegate(g)
	}
	return b.delegate(g)
}

func (b bent) Visible(q authz.Request, kind string) authz.Set {
	if b.visible == nil {
		return b.principal.Visible(q, kind)
	}
	return b.visible(q, kind)
}

// yes is a Decision of those who do not say why.
func yes(ok bool) authz.Decision {
	if ok {
		return authz.Decision{Allowed: true}
	}
	return authz.Decision{Code: "scope_exceeds_caller", Layer: "?", Dimension: "?"}
}

// mergedLayers makes one grant of the valid grants of each layer.
func mergedLayers(m *authz.Model, layers [][]authz.Grant) [][]authz.Grant {
	var all [][]authz.Grant
	for _, layer := range layers {
		valid := slices.DeleteFunc(slices.Clone(layer), func(g authz.Grant) bool { return m.Validate(g) != nil })
		if len(valid) > 0 {
			valid = []authz.Grant{merged(valid...)}
		}
		all = append(all, valid)
	}
	return all
}

// today replaces patterns by the routes that exist.
func today(g authz.Grant) authz.Grant {
	var now []string
	for _, x := range g.Endpoints.Items() {
		stem, pattern := strings.CutSuffix(x, "*")
		for _, e := range append([]string{x}, someEndpoints...) {
			if pattern && e != x && strings.HasPrefix(e, stem) || !pattern && e == x {
				now = append(now, e)
			}
		}
	}
	if !g.Endpoints.IsAll() {
		g.Endpoints = authz.Of(now...)
	}
	return g
}

// each changes every grant of the layers.
func each(layers [][]authz.Grant, change func(authz.Grant) authz.Grant) [][]authz.Grant {
	var all [][]authz.Grant
	for _, layer := range layers {
		var changed []authz.Grant
		for _, g := range layer {
			changed = append(changed, change(g))
		}
		all = append(all, changed)
	}
	return all
}

// The properties find what is wrong: each of these mistakes was, or could be, made
// somewhere. cases A1, A5, A7, A14
func TestFaults(t *testing.T) {
	m := newModel(t)
	right := truth(m)
	// turn is a subject whose principals are bent, each by what it is made of.
	turn := func(bend func(b *bent, s authz.Status, layers [][]authz.Grant)) subject {
		wrong := right
		wrong.rights = func(s authz.Status, layers ...[]authz.Grant) principal {
			b := bent{principal: right.rights(s, layers...)}
			bend(&b, s, layers)
			return b
		}
		return wrong
	}
	single := func(s authz.Status, layers [][]authz.Grant) (all []principal) {
		for _, layer := range layers {
			all = append(all, right.rights(s, layer))
		}
		return all
	}
	for _, c := range []struct {
		name string
		subject
		property string // which finds it
	}{
		{"a union of grants is within as one grant", subject{func(child authz.Grant, parents ...authz.Grant) bool {
			return len(parents) > 0 && child.Within(merged(parents...))
		}, right.rights}, "within"},
		{"a pattern is within today's routes", subject{func(child authz.Grant, parents ...authz.Grant) bool {
			return today(child).Within(parents...)
		}, right.rights}, "within"},
		{"only the first parent counts", subject{func(child authz.Grant, parents ...authz.Grant) bool {
			return len(parents) > 0 && child.Within(parents[0])
		}, right.rights}, "generous"},
		{"a union of grants is handed out as one grant", turn(func(b *bent, s authz.Status, layers [][]authz.Grant) {
			b.delegate = right.rights(s, mergedLayers(m, layers)...).Delegate
		}), "delegate"},
		{"void grants are handed out", turn(func(b *bent, s authz.Status, layers [][]authz.Grant) {
			b.delegate = func(g authz.Grant) authz.Decision {
				ok := s == authz.Active && len(layers) > 0
				for _, layer := range layers {
					ok = ok && g.Within(layer...)
				}
				return yes(ok)
			}
		}), "delegate"},
		{"the status is ignored in handing out", turn(func(b *bent, s authz.Status, layers [][]authz.Grant) {
			b.delegate = right.rights(authz.Active, layers...).Delegate
		}), "delegate"},
		{"layers are united in handing out", turn(func(b *bent, s authz.Status, layers [][]authz.Grant) {
			b.delegate = func(g authz.Grant) authz.Decision {
				return yes(slices.ContainsFunc(single(s, layers), func(p principal) bool { return p.Delegate(g).Allowed }))
			}
		}), "delegate"},
		{"nothing is handed out", turn(func(b *bent, s authz.Status, layers [][]authz.Grant) {
			b.delegate = func(authz.Grant) authz.Decision { return yes(false) }
		}), "generous"},
		{"a missing kind is all", turn(func(b *bent, s authz.Status, layers [][]authz.Grant) {
			b.decide = right.rights(s, each(layers, func(g authz.Grant) authz.Grant {
				g = copied(g)
				for _, kind := range someKinds {
					if _, ok := g.Scope[kind]; !ok {
						g.Scope[kind] = authz.All()
					}
				}
				return g
			})...).Decide
		}), "within"},
		{"a union of grants decides as one grant", turn(func(b *bent, s authz.Status, layers [][]authz.Grant) {
			b.decide = right.rights(s, mergedLayers(m, layers)...).Decide
		}), "decide"},
		{"void grants count", turn(func(b *bent, s authz.Status, layers [][]authz.Grant) {
			b.decide = right.rights(s, each(layers, func(g authz.Grant) authz.Grant {
				g = copied(g)
				delete(g.Scope, "galaxies")
				return g
			})...).Decide
		}), "decide"},
		{"the status is ignored", turn(func(b *bent, s authz.Status, layers [][]authz.Grant) {
			b.decide = right.rights(authz.Active, layers...).Decide
		}), "decide"},
		{"layers are united", turn(func(b *bent, s authz.Status, layers [][]authz.Grant) {
			b.decide = func(q authz.Request) authz.Decision {
				return yes(slices.ContainsFunc(single(s, layers), func(p principal) bool { return p.Decide(q).Allowed }))
			}
		}), "decide"},
		{"a proof in the future is fresh", turn(func(b *bent, s authz.Status, layers [][]authz.Grant) {
			b.decide = func(q authz.Request) authz.Decision {
				if q.Proved.After(q.Now) {
					q.Proved = q.Now
				}
				return b.principal.Decide(q)
			}
		}), "decide"},
		{"no proof is a fresh one", turn(func(b *bent, s authz.Status, layers [][]authz.Grant) {
			b.decide = func(q authz.Request) authz.Decision {
				if q.Proved.IsZero() {
					q.Recent = 0
				}
				return b.principal.Decide(q)
			}
		}), "decide"},
		{"the status is ignored in lists", turn(func(b *bent, s authz.Status, layers [][]authz.Grant) {
			b.visible = right.rights(authz.Active, layers...).Visible
		}), "visible"},
		{"lists see the first layer", turn(func(b *bent, s authz.Status, layers [][]authz.Grant) {
			b.visible = right.rights(s, layers[0]).Visible
		}), "visible"},
		{"layers are united in lists", turn(func(b *bent, s authz.Status, layers [][]authz.Grant) {
			b.visible = func(q authz.Request, kind string) (all authz.Set) {
				for _, p := range single(s, layers) {
					all = joined(all, p.Visible(q, kind))
				}
				return all
			}
		}), "visible"},
		{"lists mix grants", turn(func(b *bent, s authz.Status, layers [][]authz.Grant) {
			b.visible = right.rights(s, mergedLayers(m, layers)...).Visible
		}), "visible"},
		{"lists ask for no proof", turn(func(b *bent, s authz.Status, layers [][]authz.Grant) {
			b.visible = func(q authz.Request, kind string) authz.Set {
				q.Recent = time.Duration(0)
				return b.principal.Visible(q, kind)
			}
		}), "visible"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for seed := range uint64(seeds) {
				if c.each(m, seed, tally{}, properties[c.property]) != nil {
					t.Logf("found by %q with seed %d", c.property, seed)
					return
				}
			}
			t.Errorf("%q holds for it: it finds nothing", c.property)
		})
	}
}

package authz_test

import (
	"slices"

	"medtwin.ai/tollgate/authz"
)

// A world is one principal, a grant that it may be asked to hand out, and
// what that grant is then used for, things made later included.
type world struct {
	status authz.Status
	grants []authz.Grant   // what to make children of
	layers [][]authz.Grant // the same, but that some are void
	valid  [][]authz.Grant // what of the layers counts

	child    authz.Grant
	close    bool // the child is one step away from something held
	requests []authz.Request
	kind     string // for lists
}

func (r random) world(m *authz.Model) *world {
	credential := r.grants()
	layers := [][]authz.Grant{credential}
	switch r.IntN(4) {
	case 0:
		layers = append(layers, []authz.Grant{m.Everything()})
	case 1:
		layers = append(layers, append(r.grants(), r.more(pick(r, credential...))))
	case 2:
		layers = append(layers, r.grants())
	}
	w := &world{status: pick(r, someStatuses...), grants: slices.Clone(pick(r, layers...)), layers: layers}
	for _, layer := range layers {
		if r.oneIn(3) {
			i := r.IntN(len(layer))
			layer[i] = r.void(layer[i])
		}
		var valid []authz.Grant
		for _, g := range layer {
			if m.Validate(g) == nil {
				valid = append(valid, g)
			}
		}
		w.valid = append(w.valid, valid)
	}
	return w
}

// tempt makes a child out of something that the principal holds, and then
// every other time takes it one step further, so that the answer is often
// close.
func (r random) tempt(w *world) {
	w.child, w.close = r.less(pick(r, w.grants...)), false
	switch {
	case r.oneIn(2):
		w.child, w.close = r.more(w.child), true
	case r.oneIn(4):
		w.child = r.less(merged(w.grants...))
	}
	w.requests = w.requests[:0]
	for range 5 {
		w.requests = append(w.requests, r.near(w.child))
	}
	w.kind = pick(r, "projects", "projects", "projects", "artifact_types", "artifact_types", "galaxies")
}

// A scene is a world in which a subject decides.
type scene struct {
	*world
	subject
	caller, parents principal // all layers, and the first of an active account
	tally           tally
}

func (w *world) play(s subject, n tally) *scene {
	return &scene{w, s, s.rights(w.status, w.layers...), s.rights(authz.Active, w.layers[0]), n}
}

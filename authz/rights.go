package authz

import "fmt"

// Rights are the layers of one principal, compiled. They are immutable, and
// requests share them. A nil *Rights denies everything.
//
// A copy of Rights denies everything too. The cache holds the Rights of a
// caller, and a handler could write *caller.Rights = other. Because of the
// field self, that would not widen anybody's rights.
type Rights struct {
	self   *Rights // where Model.Rights has put them; differs in a copy
	model  *Model
	status Status
	layers []layer
}

// A layer is a union of grants. One of them must contain the whole request.
type layer struct {
	name   string
	grants []compiledGrant
	void   int // how many grants were invalid
}

// A compiledGrant is a [Grant] in the form that decisions read.
type compiledGrant struct {
	grant       Grant // as given, for explanations
	permissions uint64
	endpoints   Set      // without patterns
	prefixes    []string // the patterns
	// An environment is a name like any other: the model has no list of them.
	environments Set
	scope        []Set // by the index of the kind in the model
}

// Rights compiles the layers of a principal whose account has status s. The
// first layer is what the credential was given, and the second what its owner
// may do. A grant that [Model.Validate] refuses is void, because what it says
// beyond the vocabulary may have been meant as a restriction. No layers, or an
// empty one, deny everything.
func (m *Model) Rights(s Status, layers ...[]Grant) *Rights {
	r := &Rights{model: m, status: s, layers: make([]layer, len(layers))}
	for i, grants := range layers {
		l := layer{name: layerName(i), grants: make([]compiledGrant, 0, len(grants))}
		for _, g := range grants {
			// A void grant is counted, so that Explain can tell an operator why
			// it does not help.
			if m.Validate(g) != nil {
				l.void++
				continue
			}
			l.grants = append(l.grants, m.compile(g))
		}
		r.layers[i] = l
	}
	r.self = r
	return r
}

// Layers returns the grants of each layer, without those that are void. It is
// for showing them. The caller may change the copy.
func (r *Rights) Layers() [][]Grant {
	if r == nil {
		return nil
	}
	layers := make([][]Grant, len(r.layers))
	for i, l := range r.layers {
		layers[i] = make([]Grant, len(l.grants))
		for j, g := range l.grants {
			layers[i][j] = g.grant.clone()
		}
	}
	return layers
}

// layerName returns the name of a layer in decisions.
func layerName(i int) string {
	switch i {
	case 0:
		return "credential"
	case 1:
		return "owner"
	}
	return fmt.Sprintf("layer %d", i+1)
}

// compile returns a valid grant in the form that decisions read: permissions as
// bits, kinds as indices, and endpoints separated into ids and prefixes.
// Compiling takes longer than deciding. It happens once for each principal,
// when the key or session is read, and not for each request.
func (m *Model) compile(g Grant) compiledGrant {
	c := compiledGrant{
		grant:        g.clone(),
		environments: g.Environments,
		scope:        make([]Set, len(m.kinds)),
	}
	c.endpoints, c.prefixes = splitEndpoints(g.Endpoints)
	// All becomes the bits of the permissions of today. A later release
	// compiles the grant anew.
	for p, bit := range m.permissions {
		if g.Permissions.Has(p) {
			c.permissions |= bit
		}
	}
	for kind, ids := range g.Scope {
		c.scope[m.kinds[kind]-1] = ids
	}
	return c
}

package authz

import "fmt"

// Rights are the layers of one principal, compiled: immutable, shared. A nil
// *Rights denies everything. So does a copy: a handler that writes other rights
// over those of its caller, which the cache holds, does not widen them.
type Rights struct {
	self   *Rights // where they were compiled to
	model  *Model
	status Status
	layers []layer
}

// A layer is a union of grants: one of them must hold the whole request.
type layer struct {
	name   string
	grants []compiledGrant
	void   int // how many grants were invalid
}

// A compiledGrant is a [Grant] as decisions read it.
type compiledGrant struct {
	grant        Grant // as given, to say what was held
	permissions  uint64
	endpoints    Set      // without patterns
	prefixes     []string // the patterns
	environments Set
	scope        []Set // by the model's kinds
}

// Rights compiles the layers of a principal whose account has status s: first
// what the credential was given, then what its owner may do. A grant that
// [Model.Validate] refuses is void: an unknown anything may have been meant as
// a restriction. No layers, or an empty one, deny everything.
func (m *Model) Rights(s Status, layers ...[]Grant) *Rights {
	r := &Rights{model: m, status: s, layers: make([]layer, len(layers))}
	for i, grants := range layers {
		l := layer{name: layerName(i), grants: make([]compiledGrant, 0, len(grants))}
		for _, g := range grants {
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

// Layers returns the grants that count, by layer: what was void is not among
// them. It is for showing; the copy is the caller's.
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

func layerName(i int) string {
	switch i {
	case 0:
		return "credential"
	case 1:
		return "owner"
	}
	return fmt.Sprintf("layer %d", i+1)
}

// compile returns a valid grant as decisions read it.
func (m *Model) compile(g Grant) compiledGrant {
	c := compiledGrant{
		grant:        g.clone(),
		environments: g.Environments,
		scope:        make([]Set, len(m.kinds)),
	}
	c.endpoints, c.prefixes = splitEndpoints(g.Endpoints)
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

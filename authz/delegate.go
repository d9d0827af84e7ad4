package authz

import (
	"maps"
	"slices"
	"strconv"
)

// Delegate decides whether the principal may hand out g, for example to a key.
// It may if the account is active and g is within a single grant of every
// layer, as [Grant.Within] defines. Then g allows nothing that the principal
// may not do, now or later.
//
// Comparing grants and not requests is what makes that hold for routes and
// resources that do not exist yet. A union of grants is not a grant, so g must
// lie within one: otherwise two narrow grants could be combined to a wider one.
//
// The code of a denial is "scope_exceeds_caller". Wanted is the part of g that
// is too much, and Held is what the grant that came furthest has there.
// Delegate does not ask whether g makes sense: see [Model.Validate].
func (r *Rights) Delegate(g Grant) Decision {
	switch {
	case r.empty():
		return excess{dimension: "permissions", wanted: g.Permissions}.decision(layerName(0))
	case r.status != Active:
		return excess{dimension: "status", wanted: Of(Active.String()), held: Of(r.status.String())}.decision("status")
	// A grant that this release does not fully understand cannot be compared,
	// so nobody hands it out.
	case g.version() != Version:
		return excess{dimension: "version", wanted: Of(strconv.Itoa(g.Version)), held: Of(strconv.Itoa(Version))}.decision(layerName(0))
	case !g.known():
		return excess{dimension: "members", wanted: Of(g.unknown()...)}.decision(layerName(0))
	}
	// A grant must pass every layer, as a request must. So a key that a person
	// makes lies within the key or session that they use, and within their
	// role.
	for i := range r.layers {
		l := &r.layers[i]
		if e := l.exceeded(g); e.at != nothing {
			return e.decision(l.name)
		}
	}
	return Decision{Allowed: true}
}

// exceeded returns how g exceeds the layer: nothing if one grant contains it,
// and otherwise the excess over the grant that comes furthest.
func (l *layer) exceeded(g Grant) excess {
	furthest := excess{at: onPermission, dimension: "permissions", wanted: g.Permissions}
	for i := range l.grants {
		e := g.exceeds(l.grants[i].grant)
		if e.at == nothing {
			return e
		}
		if e.at > furthest.at || i == 0 {
			furthest = e
		}
	}
	return furthest
}

// An excess is the first dimension in which one grant is not within another.
type excess struct {
	at           int // as in firstMismatch; nothing: it is within
	dimension    string
	wanted, held Set // the part that is too much, and what the other grant has
}

// decision returns the denial by a layer.
func (e excess) decision(layer string) Decision {
	return Decision{
		Code: "scope_exceeds_caller", Layer: layer, Dimension: e.dimension,
		Wanted: e.wanted.String(), Held: e.held.String(),
	}
}

// exceeds compares g with p. Both must be known.
func (g Grant) exceeds(p Grant) excess {
	switch {
	case !g.Permissions.Within(p.Permissions):
		return excess{onPermission, "permissions", g.Permissions.except(p.Permissions.Has), p.Permissions}
	case !endpointsWithin(g.Endpoints, p.Endpoints):
		return excess{onEndpoint, "endpoints", g.Endpoints.except(covers(p.Endpoints)), p.Endpoints}
	case !g.Environments.Within(p.Environments):
		return excess{onEnvironment, "environments", g.Environments.except(p.Environments.Has), p.Environments}
	}
	for i, kind := range slices.Sorted(maps.Keys(g.Scope)) {
		if ids, held := g.Scope[kind], p.Scope[kind]; !ids.Within(held) {
			return excess{onResource + i, "scope." + kind, ids.except(held.Has), held}
		}
	}
	return excess{}
}

package authz

import (
	"maps"
	"slices"
	"strconv"
)

// Delegate answers whether the principal may hand g out, as to a key: only if
// the account is active and g is within a single grant of every layer, as
// [Grant.Within] defines. So g allows nothing that the principal may not do, now
// or later. The code of a denial is "scope_exceeds_caller", Wanted is what of g
// is too much, and Held what there is in the grant that came furthest.
//
// It does not ask whether g makes sense: see [Model.Validate].
func (r *Rights) Delegate(g Grant) Decision {
	switch {
	case r.empty():
		return excess{dimension: "permissions", wanted: g.Permissions}.decision(layerName(0))
	case r.status != Active:
		return excess{dimension: "status", wanted: Of(Active.String()), held: Of(r.status.String())}.decision("status")
	case g.version() != Version:
		return excess{dimension: "version", wanted: Of(strconv.Itoa(g.Version)), held: Of(strconv.Itoa(Version))}.decision(layerName(0))
	case !g.known():
		return excess{dimension: "members", wanted: Of(g.unknown()...)}.decision(layerName(0))
	}
	for i := range r.layers {
		l := &r.layers[i]
		if e := l.exceeded(g); e.at != nothing {
			return e.decision(l.name)
		}
	}
	return Decision{Allowed: true}
}

// exceeded returns in what g exceeds the grant that comes furthest.
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

// An excess is the first dimension in which a grant is not within another.
type excess struct {
	at           int // as for a request that fails; nothing: within
	dimension    string
	wanted, held Set // what is too much, and what there is
}

func (e excess) decision(layer string) Decision {
	return Decision{
		Code: "scope_exceeds_caller", Layer: layer, Dimension: e.dimension,
		Wanted: e.wanted.String(), Held: e.held.String(),
	}
}

// exceeds compares two grants that are known.
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

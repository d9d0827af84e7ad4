package authz

import "time"

// A Request asks whether something may be done. It holds everything that the
// decision depends on, so a decision can be repeated and explained.
type Request struct {
	// Permission is what the route requires. Endpoint is the id of its need.
	// Environment is the one that the caller acts in. Each is one name, and
	// each must be in the set of the grant.
	Permission, Endpoint, Environment string
	Resources                         [4]Resource // unused entries are zero
	// Writes and Suspended are compared with the status of the account. Anyone
	// asks only whether the caller has any grant at all.
	Writes    bool // an unsafe method (RFC 9110 §9.2.1) of a route that is not read-only
	Suspended bool // the route serves suspended accounts
	Anyone    bool // no permission is asked for, and no resource is named
	// Person asks for a proof of identity, of any age if Recent is 0: people have
	// one, and keys never do.
	Person bool

	// Recent is the greatest age of the proof of identity; 0 means any age.
	// Proved is when the proof was given. The zero time means never, which is
	// not recent. Now is the present.
	Recent      time.Duration
	Proved, Now time.Time
}

// A Resource is one thing of a kind. The id "*" stands for the whole kind,
// which is in no finite set.
type Resource struct{ Kind, ID string }

// A Decision is the answer to a [Request]: yes, or the reason for no.
type Decision struct {
	Allowed bool

	// Code is the reason:
	//
	//   - "missing_permission": no grant has the permission.
	//   - "endpoint_not_allowed": the grants are limited to other endpoints.
	//   - "environment_not_allowed": the grants are for other environments.
	//   - "out_of_scope": the grants are limited to other resources.
	//   - "account_suspended", "account_read_only": the status of the account
	//     forbids it.
	//   - "person_required": the caller is no person who has logged in.
	//   - "insufficient_user_authentication": the login is too old.
	//   - "scope_exceeds_caller": only of [Rights.Delegate].
	Code string
	// Layer is what refused: "status", "credential", "owner" or "proof".
	Layer string
	// Dimension is the part of a grant that was too small: "permissions",
	// "endpoints", "environments" or "scope.projects". It may also be "status"
	// or "proof".
	Dimension string
	// Wanted is what the request asked for in that dimension. Held is what the
	// grant that came furthest has there. They are for logs and operators, and
	// not shown to clients.
	Wanted, Held string

	HideDenial bool          // answer with 404
	Recent     time.Duration // the greatest age of the proof, if it was too old or missing
}

// Decide answers q. It allocates nothing if the answer is yes.
func (r *Rights) Decide(q Request) Decision {
	if r == nil {
		return denyAll(q.Permission)
	}
	c := q.compile(r.model)
	ids := q.ids()
	// q is compiled for the model of these rights, so the indices fit.
	return r.decide(&c, &ids, q.Environment, c.age(q.Now, q.Proved))
}

// allows is the decision. Everything else here explains or prepares it.
//
// A caller is allowed if the status of the account permits the request and if
// in every layer one single grant contains the whole request. Every step can
// only deny: there is no path on which a later step makes up for an earlier
// one. So a further layer never widens anything.
//
// The age of the proof comes last. So only a caller who lacks nothing else is
// told to log in again.
func (r *Rights) allows(q *compiledRequest, ids *ids, environment string, age time.Duration) bool {
	if r.empty() || r.status != Active && r.status.refuses(q) != "" {
		return false
	}
	if q.model != r.model { // even models with equal words are different
		c := q.with(r.model)
		q = &c
	}
	environment = q.in(environment)
	// Every layer must contain the request: the loop ends at the first one that
	// does not, and nothing after it can allow.
	for i := range r.layers {
		if !r.layers[i].holds(q, ids, environment) {
			return false
		}
	}
	return age <= q.recent
}

// decide is allows with the reason of a denial. It repeats the decision,
// because a denial is rare and may take longer.
func (r *Rights) decide(q *compiledRequest, ids *ids, environment string, age time.Duration) Decision {
	if r.allows(q, ids, environment, age) {
		return Decision{Allowed: true}
	}
	if r.empty() {
		d := denyAll(q.permission)
		d.HideDenial = q.hideDenial
		return d
	}
	if code := r.status.refuses(q); code != "" {
		return Decision{
			Code: code, Layer: "status", Dimension: "status",
			Wanted: Active.String(), Held: r.status.String(), HideDenial: q.hideDenial,
		}
	}
	if q.model != r.model {
		c := q.with(r.model)
		q = &c
	}
	environment = q.in(environment)
	for i := range r.layers {
		if l := &r.layers[i]; !l.holds(q, ids, environment) {
			return l.deny(q, ids, environment)
		}
	}
	return q.stale(age)
}

// holds reports whether one grant of the layer contains the request. The grants
// of a layer are not mixed: a permission of one and a project of another do not
// make a third grant.
func (l *layer) holds(q *compiledRequest, ids *ids, environment string) bool {
	if q.asksNothing() {
		return len(l.grants) > 0 // a layer without grants allows nothing
	}
	for i := range l.grants {
		if l.grants[i].firstMismatch(q, ids, environment) == nothing {
			return true
		}
	}
	return false
}

// deny returns the reason of a denial by the grant that came furthest, because
// that is probably the one that was meant.
func (l *layer) deny(q *compiledRequest, ids *ids, environment string) Decision {
	at, held := onPermission, Grant{}
	for i := range l.grants {
		if f := l.grants[i].firstMismatch(q, ids, environment); f > at || i == 0 {
			at, held = f, l.grants[i].grant
		}
	}
	d := Decision{Layer: l.name, HideDenial: q.hideDenial}
	switch at {
	case onPermission:
		d.Code, d.Dimension, d.Wanted, d.Held = "missing_permission", "permissions", q.permission, held.Permissions.String()
	case onEndpoint:
		d.Code, d.Dimension, d.Wanted, d.Held = "endpoint_not_allowed", "endpoints", q.endpoint, held.Endpoints.String()
	case onEnvironment:
		d.Code, d.Dimension, d.Wanted, d.Held = "environment_not_allowed", "environments", environment, held.Environments.String()
	default:
		x := q.resource(at-onResource, ids)
		d.Code, d.Dimension, d.Wanted, d.Held = "out_of_scope", "scope."+x.Kind, x.ID, held.Scope[x.Kind].String()
	}
	return d
}

// denyAll returns the decision about a caller who was given nothing.
func denyAll(permission string) Decision {
	return Decision{Code: "missing_permission", Layer: layerName(0), Dimension: "permissions", Wanted: permission}
}

// The dimensions that a request can fail in, in the order in which they are
// compared.
const (
	nothing = iota
	onPermission
	onEndpoint
	onEnvironment
	onResource // plus the index of the resource
)

// firstMismatch returns the first dimension in which the grant does not contain
// q, or nothing. Each case compares one set, and a set that is missing is
// empty, so forgetting a dimension in a grant denies.
func (c *compiledGrant) firstMismatch(q *compiledRequest, ids *ids, environment string) int {
	switch {
	// An unknown permission has bit 0, and no grant has that.
	case c.permissions&q.bit == 0:
		return onPermission
	case !c.endpoints.Has(q.endpoint) && !hasPrefix(q.endpoint, c.prefixes):
		return onEndpoint
	case !c.environments.Has(environment):
		return onEnvironment
	}
	for i, kind := range q.kinds {
		if kind != 0 && !c.has(kind, ids[i]) {
			return onResource + i
		}
	}
	// The resource that a handler asks about in addition must be in the same
	// grant as all others.
	if q.extraKind != 0 && !c.has(q.extraKind, q.extra.ID) {
		return onResource + maxResources
	}
	return nothing
}

// has reports whether the grant contains a resource. kind is an entry of
// compiledRequest.kinds.
func (c *compiledGrant) has(kind int8, id string) bool {
	return kind != unknownKind && c.scope[kind-1].Has(id)
}

// in returns the environment that q is decided in: the one that the need fixes,
// or else the one that the caller acts in.
func (q *compiledRequest) in(environment string) string {
	if q.environment != "" {
		return q.environment
	}
	return environment
}

// empty reports whether r cannot allow anything: it is nil, a copy, or without
// layers.
func (r *Rights) empty() bool { return r == nil || r.self != r || len(r.layers) == 0 }

// asksNothing reports whether q allows every caller who has any grant at all.
func (q *compiledRequest) asksNothing() bool {
	return q.anyone && q.kinds == [maxResources]int8{} && q.extraKind == 0
}

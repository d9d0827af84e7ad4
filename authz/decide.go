package authz

import "time"

// A Request asks whether something may be done. It holds everything that the answer
// depends on.
type Request struct {
	Permission, Endpoint, Environment string
	Resources                         [4]Resource // unused entries are zero
	Writes                            bool        // an unsafe method (RFC 9110, section 9.2.1) of a route that is not read-only
	Suspended                         bool        // the route serves suspended accounts
	Anyone                            bool        // no permission is asked, and no resource named

	// Recent is how old the proof of identity may be, 0: any; Proved is when
	// it was given, zero: never, which is never recent; Now is the present.
	Recent      time.Duration
	Proved, Now time.Time
}

// A Resource is one thing of a kind. The id "*" is the whole kind, which is in
// no finite set.
type Resource struct{ Kind, ID string }

// A Decision says yes, or why not.
type Decision struct {
	Allowed bool

	// Code is why not: "missing_permission", "endpoint_not_allowed",
	// "environment_not_allowed", "out_of_scope", "account_suspended",
	// "account_read_only" or "insufficient_user_authentication"; of
	// [Rights.Delegate], "scope_exceeds_caller".
	Code string
	// Layer is who refused: "status", "credential", "owner", "proof".
	Layer string
	// Dimension is what of a grant was too small: "permissions", "endpoints",
	// "environments", "scope.projects"; or "status", or "proof".
	Dimension string
	// Wanted is what the request asked of it, and Held what there was, in the
	// grant of the layer that came furthest. They are for logs and operators.
	Wanted, Held string

	HideDenial bool          // answer 404
	Recent     time.Duration // how old the proof may be, where it is too old or none
}

// Decide answers q. It allocates nothing when the answer is yes.
func (r *Rights) Decide(q Request) Decision {
	if r == nil {
		return denyAll(q.Permission)
	}
	c := q.compile(r.model)
	ids := q.ids()
	return r.decide(&c, &ids, q.Environment, c.age(q.Now, q.Proved))
}

// allows is decide for callers that need no explanation. It asks for the age of
// the proof last: only a caller who lacks nothing else is told to give a new one.
func (r *Rights) allows(q *compiledRequest, ids *ids, environment string, age time.Duration) bool {
	if r.empty() || r.status != Active && r.status.refuses(q) != "" {
		return false
	}
	if q.model != r.model { // two equal models are two vocabularies still
		c := q.with(r.model)
		q = &c
	}
	environment = q.in(environment)
	for i := range r.layers {
		if !r.layers[i].holds(q, ids, environment) {
			return false
		}
	}
	return age <= q.recent
}

// decide is allows with the reason of a denial.
func (r *Rights) decide(q *compiledRequest, ids *ids, environment string, age time.Duration) Decision {
	if r.allows(q, ids, environment, age) {
		return Decision{Allowed: true}
	}
	if r.empty() {
		d := denyAll(q.permission)
		d.HideDenial = q.hide
		return d
	}
	if code := r.status.refuses(q); code != "" {
		return Decision{
			Code: code, Layer: "status", Dimension: "status",
			Wanted: Active.String(), Held: r.status.String(), HideDenial: q.hide,
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

// deny explains by the grant that came furthest.
func (l *layer) deny(q *compiledRequest, ids *ids, environment string) Decision {
	at, held := onPermission, Grant{}
	for i := range l.grants {
		if f := l.grants[i].firstMismatch(q, ids, environment); f > at || i == 0 {
			at, held = f, l.grants[i].grant
		}
	}
	d := Decision{Layer: l.name, HideDenial: q.hide}
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

// denyAll is the answer where nobody was given anything.
func denyAll(permission string) Decision {
	return Decision{Code: "missing_permission", Layer: layerName(0), Dimension: "permissions", Wanted: permission}
}

// What a request can fail on, in the order in which it is asked.
const (
	nothing = iota
	onPermission
	onEndpoint
	onEnvironment
	onResource // plus the index of the resource
)

// firstMismatch returns the first dimension in which q lies outside the grant.
func (c *compiledGrant) firstMismatch(q *compiledRequest, ids *ids, environment string) int {
	switch {
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
	if q.extraKind != 0 && !c.has(q.extraKind, q.extra.ID) {
		return onResource + maxResources
	}
	return nothing
}

// has reports whether the grant holds a resource, by the entry of its kind.
func (c *compiledGrant) has(kind int8, id string) bool {
	return kind != unknownKind && c.scope[kind-1].Has(id)
}

// in returns the environment that q is decided in: its own, or else the one that the
// caller acts in.
func (q *compiledRequest) in(environment string) string {
	if q.environment != "" {
		return q.environment
	}
	return environment
}

// empty reports whether there is nothing that could allow anything.
func (r *Rights) empty() bool { return r == nil || r.self != r || len(r.layers) == 0 }

// asksNothing reports whether q allows every caller who holds any grant at all.
func (q *compiledRequest) asksNothing() bool {
	return q.anyone && q.kinds == [maxResources]int8{} && q.extraKind == 0
}

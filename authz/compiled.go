package authz

import "time"

// A compiledRequest is a [Request] compiled for one model, without the ids and
// the circumstances. A route compiles two of them when it is declared, one for
// safe methods and one for unsafe ones, and all of its requests share them. So
// it never changes.
type compiledRequest struct {
	model      *Model
	bit        uint64             // of the permission; 0 if the model has no such permission
	kinds      [maxResources]int8 // 0: unused; otherwise the index of the kind in the model plus one, or unknownKind
	extraKind  int8               // of extra, as in kinds
	writes     bool
	suspended  bool
	anyone     bool
	hideDenial bool
	person     bool
	recent     time.Duration // anyAge: the proof may have any age, but must be there
	permission string
	endpoint   string
	// environment is the one that the need fixes. "" means the one that the
	// caller acts in.
	environment string
	names       [maxResources]string // of kinds, for explanations
	extra       Resource             // one that a handler asks about in addition
}

// ids are the ids of one request, by the index of their kind in
// compiledRequest.kinds.
type ids [maxResources]string

// unknownKind stands for a kind that the model does not have. No grant contains
// a resource of it, so a request that names one is denied.
const unknownKind = -1

// kind returns the entry of compiledRequest.kinds for a kind.
func (m *Model) kind(name string) int8 {
	if i := m.kinds[name]; i != 0 {
		return i
	}
	return unknownKind
}

// compile translates names to indices and bits, so that a decision compares
// numbers. An unknown permission becomes bit 0, which no grant has.
func (q *Request) compile(m *Model) compiledRequest {
	// hideDenial and environment are those of a need, and are set by Compile.
	c := compiledRequest{
		model:      m,
		bit:        m.permissions[q.Permission],
		permission: q.Permission,
		endpoint:   q.Endpoint,
		writes:     q.Writes,
		suspended:  q.Suspended,
		anyone:     q.Anyone,
		person:     q.Person,
		recent:     q.Recent,
	}
	if c.person && c.recent == 0 {
		c.recent = anyAge
	}
	for i, x := range q.Resources {
		if x != (Resource{}) {
			c.kinds[i], c.names[i] = m.kind(x.Kind), x.Kind
		}
	}
	return c
}

// ids returns the ids of the resources that q names.
func (q *Request) ids() (ids ids) {
	for i := range q.Resources {
		ids[i] = q.Resources[i].ID
	}
	return ids
}

// request is the reverse of compile and ids.
func (q *compiledRequest) request(about *ids) Request {
	r := Request{
		Permission: q.permission, Endpoint: q.endpoint, Environment: q.environment,
		Writes: q.writes, Suspended: q.suspended, Anyone: q.anyone, Person: q.person, Recent: q.recent,
	}
	if r.Recent == anyAge {
		r.Recent = 0
	}
	for i := range r.Resources {
		r.Resources[i] = q.resource(i, about)
	}
	return r
}

// with returns q compiled for another model. The indices of one model mean
// something else in another one, so they are never compared across models.
func (q *compiledRequest) with(m *Model) compiledRequest {
	c := *q
	c.model, c.bit = m, m.permissions[q.permission]
	for i, name := range q.names {
		if q.kinds[i] != 0 {
			c.kinds[i] = m.kind(name)
		}
	}
	if q.extraKind != 0 {
		c.extraKind = m.kind(q.extra.Kind)
	}
	return c
}

// and returns q with one more resource. It copies q, which other requests use.
func (q *compiledRequest) and(x Resource) compiledRequest {
	c := *q
	c.extra, c.extraKind = x, c.model.kind(x.Kind)
	return c
}

// resource returns the resource at index i, or the extra one after them.
func (q *compiledRequest) resource(i int, about *ids) Resource {
	if i == maxResources {
		return q.extra
	}
	return Resource{Kind: q.names[i], ID: about[i]}
}

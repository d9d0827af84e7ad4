package authz

import "time"

// A compiledRequest is a [Request] compiled for one model, without its ids and its
// circumstances: what a route asks of all its requests. It never changes.
type compiledRequest struct {
	model      *Model
	bit        uint64             // of the permission; 0 where the model has none such
	kinds      [maxResources]int8 // 0: unused; else the model's index plus one, or unknownKind
	extraKind  int8               // of extra, as in kinds
	writes     bool
	suspended  bool
	anyone     bool
	hide       bool
	recent     time.Duration
	permission string
	endpoint   string
	// environment is the one that the need fixes; "" is that of the caller.
	environment string
	names       [maxResources]string // of the kinds
	extra       Resource             // that a handler asks about as well
}

// The ids of one request, by the entries of its compiledRequest.
type ids [maxResources]string

// unknownKind is a kind that the model does not have: no grant holds it.
const unknownKind = -1

// kind returns the entry of a compiledRequest for a kind.
func (m *Model) kind(name string) int8 {
	if i := m.kinds[name]; i != 0 {
		return i
	}
	return unknownKind
}

func (q *Request) compile(m *Model) compiledRequest {
	c := compiledRequest{
		model:      m,
		bit:        m.permissions[q.Permission],
		permission: q.Permission,
		endpoint:   q.Endpoint,
		writes:     q.Writes,
		suspended:  q.Suspended,
		anyone:     q.Anyone,
		recent:     q.Recent,
	}
	for i, x := range q.Resources {
		if x != (Resource{}) {
			c.kinds[i], c.names[i] = m.kind(x.Kind), x.Kind
		}
	}
	return c
}

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
		Writes: q.writes, Suspended: q.suspended, Anyone: q.anyone, Recent: q.recent,
	}
	for i := range r.Resources {
		r.Resources[i] = q.resource(i, about)
	}
	return r
}

// with returns q compiled for another model.
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

// and returns q with one more resource.
func (q *compiledRequest) and(x Resource) compiledRequest {
	c := *q
	c.extra, c.extraKind = x, c.model.kind(x.Kind)
	return c
}

// resource returns what q asks about in one of its entries, or after them.
func (q *compiledRequest) resource(i int, about *ids) Resource {
	if i == maxResources {
		return q.extra
	}
	return Resource{Kind: q.names[i], ID: about[i]}
}

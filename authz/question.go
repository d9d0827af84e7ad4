package authz

import "time"

// A question is a Request compiled for one model, but for its ids and its
// circumstances: what a route asks of all its requests. Nobody changes it.
type question struct {
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

// The ids of one request, by the entries of its question.
type ids [maxResources]string

// unknownKind is a kind the model does not have: in no box.
const unknownKind = -1

// kind returns the entry of a question for a kind.
func (m *Model) kind(name string) int8 {
	if i := m.kinds[name]; i != 0 {
		return i
	}
	return unknownKind
}

func (q *Request) compile(m *Model) question {
	c := question{
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
func (q *question) request(about *ids) Request {
	r := Request{
		Permission: q.permission, Endpoint: q.endpoint, Environment: q.environment,
		Writes: q.writes, Suspended: q.suspended, Anyone: q.anyone, Recent: q.recent,
	}
	for i := range r.Resources {
		r.Resources[i] = q.resource(i, about)
	}
	return r
}

// in returns the environment in which q is asked of a caller who acts in the
// one given.
func (q *question) in(environment string) string {
	if q.environment != "" {
		return q.environment
	}
	return environment
}

// asksNothing reports whether q is met by whoever was given anything.
func (q *question) asksNothing() bool {
	return q.anyone && q.kinds == [maxResources]int8{} && q.extraKind == 0
}

// with returns q compiled for another model.
func (q *question) with(m *Model) question {
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
func (q *question) and(x Resource) question {
	c := *q
	c.extra, c.extraKind = x, c.model.kind(x.Kind)
	return c
}

// resource returns what q asks about in one of its entries, or after them.
func (q *question) resource(i int, about *ids) Resource {
	if i == maxResources {
		return q.extra
	}
	return Resource{Kind: q.names[i], ID: about[i]}
}

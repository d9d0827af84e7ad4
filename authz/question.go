package authz

// A question is a Request compiled for one model, but for its ids and its
// environment: what a route asks of all its requests. Nobody changes it.
type question struct {
	model      *Model
	bit        uint64    // of the permission; 0 where the model has none such
	kinds      [5]int8   // 0: unused; else the model's index plus one, or unknownKind
	names      [5]string // of the kinds
	permission string
	endpoint   string
	writes     bool
	suspended  bool
	anyone     bool
	hide       bool
}

// The ids of one request, by the entries of its question.
type ids [5]string

// unknownKind is a kind the model does not have: in no box.
const unknownKind = -1

// later is the entry of a question that is left for the resource which a
// handler asks about.
const later = maxResources

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
	}
	for i, x := range q.Resources {
		if x != (Resource{}) {
			c.kinds[i], c.names[i] = m.kind(x.Kind), x.Kind
		}
	}
	return c
}

func (q *Request) ids() (ids ids) {
	for i, x := range q.Resources {
		ids[i] = x.ID
	}
	return ids
}

// request is the reverse of compile and ids.
func (q *question) request(about *ids) Request {
	r := Request{Permission: q.permission, Endpoint: q.endpoint, Writes: q.writes, Suspended: q.suspended, Anyone: q.anyone}
	for i := range r.Resources {
		r.Resources[i] = Resource{Kind: q.names[i], ID: about[i]}
	}
	return r
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
	return c
}

// and returns q with one more resource, whose id is the later one.
func (q *question) and(kind string) question {
	c := *q
	c.kinds[later], c.names[later] = c.model.kind(kind), kind
	return c
}

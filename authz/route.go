package authz

// A Route is a declared route. It has a need, or a reason to be public.
type Route struct {
	Pattern string // "GET /v1/projects/{project}"; "" if another router has it
	Method  string
	Need    Need   // zero for a public route
	Public  string // why anyone may call it; "" if a need decides
}

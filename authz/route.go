package authz

// A Route is a declared route: it has a need or a reason to be public.
type Route struct {
	Pattern string // "GET /v1/projects/{project}"; "": of another router
	Method  string
	Need    Need   // zero for a public route
	Public  string // why anybody may; "" if a need decides
}

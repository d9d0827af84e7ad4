// Package request holds what the packages on the path of one request share:
// the keys of the immutable values in its context, and how one request is told
// from another.
//
// There is no shared state here. A value is put on a context once, by the
// package that made it, and nobody writes to it afterwards.
package request

import (
	"net/http"
	"net/url"
	"reflect"
	"unsafe"
)

// Keys of context values. Only the packages named read and write them.
type (
	// CallerKey: *authz.Caller, set by authn and by a Gate. A Caller without
	// rights stands for an anonymous request; no value at all means that nobody
	// has authenticated the request.
	CallerKey struct{}
	// PrincipalKey: *authn.Principal, set by authn and by a Gate.
	PrincipalKey struct{}
	// AccessKey: *authz.Access, set by authz and by a Gate.
	AccessKey struct{}
	// CostKey: a Coster, set by authz.Protect.
	CostKey struct{}
)

// An Identity tells a request from another one that was made on its context.
// The copies that middleware makes with WithContext have the same Identity. A
// request with another URL, other headers or another method is another request,
// even if it shares the context: a request inside a batch, for example. When in
// doubt two requests differ, and the second is checked and counted on its own.
type Identity struct {
	method, host, path, query string
	url                       *url.URL
	header                    unsafe.Pointer
}

// Identify returns the identity of r.
func Identify(r *http.Request) Identity {
	id := Identity{method: r.Method, host: r.Host, url: r.URL, header: reflect.ValueOf(r.Header).UnsafePointer()}
	if r.URL != nil {
		id.path, id.query = r.URL.Path, r.URL.RawQuery
	}
	return id
}

// A Coster tells a limiter what the route around it says about the cost of r, or
// of the request that r was made of on the way: -1 is nothing. A request that was
// merely made on the context of another one costs 1 or more.
type Coster interface{ CostOf(r *http.Request) int }

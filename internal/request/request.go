// Package request holds what the packages on the path of one request share: the
// keys of the immutable values in its context, and how one request differs from
// another.
//
// There is no shared state here. The package that made a value puts it on a
// context once, and nobody writes to it afterwards.
package request

import (
	"net/http"
	"net/url"
	"reflect"
	"unsafe"
)

// Keys of context values. Only the packages named here use them.
type (
	// CallerKey is for a *authz.Caller, set by authn and by a Gate. A Caller
	// without rights is an anonymous request. No value at all means that
	// nothing has authenticated the request.
	CallerKey struct{}
	// PrincipalKey is for a *authn.Principal, set by authn and by a Gate.
	PrincipalKey struct{}
	// AccessKey is for a *authz.Access, set by authz and by a Gate.
	AccessKey struct{}
	// CostKey is for a Coster, set by authz.Protect.
	CostKey struct{}
)

// An Identity distinguishes a request from another one that was made on its
// context. The copies that middleware makes with WithContext have the same
// Identity. A request with another URL, other headers or another method is
// another request even if it has the same context, such as a request in a
// batch. If in doubt, two requests differ, and the second one is checked and
// counted separately.
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

// A Coster tells a limiter the cost that the route around it states for r: -1
// means nothing. r may also be a copy of the request that the route was called
// with. A request that was merely made on the context of that one costs 1 or
// more.
type Coster interface{ CostOf(r *http.Request) int }

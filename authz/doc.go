// Package authz answers the question whether a caller may do something. It is
// pure: a [Grant] is data, and a decision is a function of [Rights] and a
// [Request]. The middleware only reads the rights that authentication has left
// on the request.
//
// # Grants, layers, rights
//
// A grant is one set for each dimension: permissions, endpoints, environments,
// and the ids of each kind of resource. A grant contains a request if each set
// contains what the request asks for in that dimension. In JSON it looks like
// this:
//
//	{
//	  "v": 1,
//	  "permissions": ["read"],
//	  "scope": {"projects": ["p1", "p2"]},
//	  "endpoints": ["projects.*", "data.get"],
//	  "environments": ["live"]
//	}
//
// This grant contains reading project p1 through the endpoint "projects.get" in
// the environment "live". It does not contain writing p1, which is outside of
// its permissions. It does not contain reading p3, which is outside of its
// scope. It does not contain listing members, which is another endpoint.
//
// A layer is a union of grants. One layer is what the credential was given. If
// a person owns the credential, another layer is what that person may do today.
//
// Rights are a stack of layers. A request is allowed if the status of the
// account permits it, and if in every layer a single grant contains the whole
// request. Three things follow:
//
//   - A further layer only narrows.
//   - Two grants are never mixed to make a third.
//   - An empty layer denies everything.
//
// # Denial by default
//
// The zero value of every type denies. "*" is the only way to say all, and it
// is never an element of a list. What this release does not know, such as a
// member of a grant that a newer release has written, voids the grant that says
// it: it may have been meant as a restriction. Names are compared byte by byte.
//
// # Handing out
//
// [Rights.Delegate] lets a caller hand out only a grant that lies within one
// grant of every layer of theirs. Grants are compared set by set, and not by
// trying requests. So what was handed out stays within its maker's rights for
// routes and resources that do not exist yet.
//
// # Routes
//
// Every route declares its [Need] when it is registered, on a tollgate.Gate or
// with [Protect]. An invalid need panics there, at start-up. A handler that
// learns of further ids later asks [CheckResource], and it filters lists by
// [Visible]. Both decide under the need of the route. Package authztest finds
// handlers that forget to ask.
//
// # Answers
//
// A denial is 403. It is decided on ids before anything is looked up. So it is
// the same for ids that exist and ids that do not, and tells nobody which do.
// 404 is for what is missing and for what is another account's. Handlers answer
// both with a problem of status 404 alone, byte for byte the same. 401 goes to
// anonymous callers, and to people who have all rights that the route needs but
// not a recent login.
package authz

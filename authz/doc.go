// Package authz answers "may they?". It is pure: a [Grant] is data, deciding
// is a function of [Rights] and a [Request], and the middleware only reads the
// rights that authentication left on the request.
//
// A grant is one set for each dimension: permissions, endpoints, environments,
// and the ids of every kind of resource. A request lies in the grant when each
// set holds what it asks. A layer is a union of grants: what the credential was
// given, or what its owner may do today. A request is allowed if the account's
// status permits it and if in every layer a single grant contains the whole
// request. So a layer can only narrow, and two grants are never mixed to make a
// third. The zero value of everything denies, "*" is the only way to say all,
// and what this release does not know voids its grant. [Rights.Delegate] lets a
// caller hand out only what lies in one grant of every layer, now and later.
//
// Every route declares its [Need] where it is registered, on a tollgate.Gate or
// with [Protect]; an invalid one panics there, at start-up. Handlers that learn
// more ids later ask [CheckResource], and filter lists by [Visible]; both decide
// under the route's need. Package authztest finds handlers that forget to.
//
// A denial is 403, decided on ids before anything is looked up, and therefore
// the same for ids that exist and ids that do not. 404 is for what is missing or
// another account's: handlers answer both with a problem of status 404 alone,
// byte for byte. 401 also tells a person who has all rights that the route needs
// a more recent login.
package authz

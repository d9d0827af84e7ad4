// Package tollgate is the root of a library that stands at the door of an HTTP
// API: it tells who is calling, whether they may, and how often. The code is in
// the packages below it, each of which can be used without the others' storage
// or middleware.
//
// A request meets them in this order:
//
//	problem    gives it an id, and writes every error of those that follow
//	authz      matches the route, which has declared what it needs
//	authn      tells who is calling: reads the credential once, looks it up in
//	           a cache and then in the store, and attaches the principal
//	           (authn/session does for people what authn does for keys;
//	           authn/password hashes and judges their passwords)
//	keyfmt     refuses a mistyped key before any lookup, and digests a good one
//	store      finds the record behind the digest; store/memory keeps records
//	           in the process, adapters/sqlitestore in a file
//	authz      decides whether the principal's grants hold the route's need
//	ratelimit  decides whether the account's plan still has room, in all its
//	           windows at once, and writes the limit headers
//
// and then your handler. A backend of your own is right when it passes
// store/storetest or ratelimit/limittest. The program in examples/quickstart
// shows the whole chain in one file, examples/server in a service.
package tollgate

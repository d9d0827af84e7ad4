// Package tollgate guards an HTTP API: a [Gate] decides who is calling, what they
// may do and how often, inside your own process.
//
// A gate is made of one [Config] by [New], which returns everything that is wrong
// with it in one error. What can be forgotten is on by default: limits on failed
// authentications and on denied requests, the check of origin for cookies, request
// ids, and the deletion of what ended long ago.
//
//	gate, err := tollgate.New(tollgate.Config{
//		Store: db, Secrets: secrets, Prefix: "acme",
//		Permissions: []string{"read", "write"}, ReadOnly: []string{"read"}, Resources: []string{"projects"},
//		Plans: map[string]string{"standard": "60-M, 10000-D"},
//	})
//	go gate.Run(ctx)
//
// [Gate.Handle] declares a route of the gate and what it needs, and [Gate.Public] one
// that anyone may call. [Gate.Require] is middleware for one route of another
// router, and [Gate.Guard] decides for adapters. A handler behind them finds the
// caller with authn.FromContext.
//
// Callers are API keys ("Authorization: Bearer acme_live_…"), people who have logged
// in with [Gate.Logins], or the people of an application with its own login
// ([Config.User]). [Gate.Command] makes the first key from the command line of the
// program, [Gate.Keys] the others.
//
// [Guard.Check] decides a request, and is the place to begin reading. In the words of
// the packages below, which can be used without a gate:
//
//	authn      reads the credential once and tells who is calling; authn/apikey,
//	           authn/session and authn/login are about keys, sessions and logins
//	authz      decides whether the caller's grants hold the need of the route
//	ratelimit  decides whether all windows of the plan have room
//	problem    writes the errors of them all (RFC 9457)
//	keyfmt     is the form of keys, their digests, and the secrets file
//	store      is what a backend keeps; a backend of your own is right if it passes
//	           store/storetest
//
// The programs in examples/quickstart and examples/chi are complete; docs/architecture.md
// says how the parts meet, and docs/security.md what they protect from.
package tollgate

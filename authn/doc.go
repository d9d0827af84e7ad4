// Package authn answers the question who is calling.
//
// A [Middleware] reads the credential of a request once. It asks its
// [Authenticator]s in turn, and each recognizes its own kind of credential by
// its shape. The answer is a [Principal]: an identity with compiled rights.
// Package authz decides by the rights, and package ratelimit charges the
// identity.
//
// The authenticators are packages beside it: authn/apikey for API keys, and
// authn/session for people who have logged in. Package authn/login logs people
// in, and package authn/password hashes and judges passwords.
//
// # Order
//
// [Middleware.Identify] does what costs least first, and stops at the first
// step that decides:
//
//   - It reads the header, or else the cookie. This needs no I/O.
//   - It checks that a page of this origin sent the cookie, if it came in one.
//   - It asks the caches. A caller who is found there waits for nobody.
//   - It asks how many failures the address of the client has left.
//   - It asks the authenticators, which ask their stores.
//
// The caches come before the limit on failures. So a client that fails on
// purpose cannot keep out the known callers that share its address.
//
// # What a refusal tells
//
// Until a credential has proved a secret, all refusals are [ErrRejected]. An
// unknown key, a wrong one and a malformed one get the same answer, so that
// nobody learns from it which keys exist. A credential that has proved its
// secret may be told that it is revoked or expired ([ErrRevoked],
// [ErrExpired]).
//
// A store that fails is neither of these: the error is one that this package
// does not name, the answer is 503, and the failure is charged to nobody. An
// outage is never a 401, which would make clients throw away good credentials,
// and never lets anybody in.
//
// # Several requests on one context
//
// A handler may make requests on the context of its own request, as a batch
// does. Each of them is authenticated on its own: what its context carries
// hides what the outer one carries, and changes nothing there.
package authn

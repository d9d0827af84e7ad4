// Package authn answers "who is calling?".
//
// A [Middleware] reads the credential of a request once and asks its
// [Authenticator]s, which recognize their own kind by its shape. What they
// answer is a [Principal]: an identity with compiled rights, which package
// authz decides on and package ratelimit charges.
//
// [Keys] authenticates API keys. It remembers verified keys, and never longer
// than it can vouch for: with a stream of changes a revocation reaches it by
// push; when the stream is down or silent an entry ends with its lease, so a
// revoked key is refused on every node after [Keys.MaxRevocationDelay] at the
// latest. A store that cannot answer is 503: never a 401, and never a pass.
//
// Beside it, authn/session authenticates people by their sessions, and
// authn/password hashes and judges passwords.
package authn

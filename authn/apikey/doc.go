// Package apikey authenticates API keys: a [Manager] is an authn.Authenticator
// for them, and issues, changes, rotates and revokes them.
//
// It remembers verified keys, and never longer than it can vouch for: with a
// stream of changes a revocation reaches it by push; when the stream is down
// or silent an entry ends with its lease, so a revoked key is refused on every
// node after [Manager.MaxRevocationDelay] at the latest. A store that cannot
// answer is 503: never a 401, and never a pass.
package apikey

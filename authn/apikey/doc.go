// Package apikey authenticates API keys: a [Manager] is an authn.Authenticator
// for them, and issues, changes, rotates, revokes and imports them.
//
// It remembers verified keys, and never longer than it can vouch for: with a
// stream of changes a revocation reaches it by push; when the stream is down
// or silent an entry ends with its lease, and in any case with its greatest age,
// so a revoked key is refused on every node after [Manager.MaxRevocationDelay] at
// the latest. A store that cannot
// answer is 503: never a 401, and never a pass.
//
// A key belongs to the person who made it, and then opens what it was given
// within what that person may do at present; or to the account itself, whatever
// becomes of its members. People and the operator manage keys, keys never do;
// and nobody makes, widens, rotates or enables a key that opens more than they
// may open themselves.
package apikey

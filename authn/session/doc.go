// Package session authenticates people who have logged in. A [Manager] is an
// authn.Authenticator for their sessions, and it starts, lists and ends them.
//
// The token of a session is opaque: random characters, of which the store keeps
// a digest. So there is nothing to refresh, and nothing in a token that could
// be out of date. What a session may do is what its user may do at present.
//
// # When a session has ended
//
// A session is alive while all of these hold:
//
//   - It has not been revoked.
//   - It has not reached its absolute expiry, which nothing extends.
//   - It has not been idle for longer than Config.Idle.
//   - Its epoch is the present epoch of its user.
//   - Its user is active.
//
// The epoch is a number of the user, which a password change and a log-out
// everywhere raise. [Manager.Start] takes it from the user as it was *before*
// the proof of identity. So a session that is being started while the password
// changes is dead from its first moment: no transaction has to span the login,
// and the sessions may be in another store than the users. For the same reason
// nothing has to find and delete every session of a user in order to end them.
//
// # Cookies and headers
//
// A session is begun for a cookie or for a header, and its token works there
// only. A browser sends a cookie by itself, so requests with it must come from
// a page of the right origin; package authn checks that. Scripts cannot read
// it. A token in a header is sent on purpose, so it needs no such check, but
// the program that sends it can read it. If a token worked on both transports,
// a token that was stolen from one could be used without the protection of the
// other.
//
// # Revocation
//
// Verified sessions are cached by package internal/recall, with the same bound
// as keys: see [Manager.MaxRevocationDelay]. A session's cached answer depends
// on the session, its user and its account, and a change of any of them makes
// the cache ask again.
//
// # Last use
//
// A use is noted in memory and written in batches, at most once for every
// eighth of Config.Idle. So a busy session costs no write per request. A crash
// loses at most what was not yet written, and shortens the session by at most a
// quarter of its idle time. The store never moves a last use back.
package session

// Package session authenticates people who have logged in: a [Manager] is an
// authn.Authenticator for their sessions, and starts, lists and ends them.
//
// A session's token is opaque: there is nothing to refresh, and what it may do
// is what its user may do at present.
package session

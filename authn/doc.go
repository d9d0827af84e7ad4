// Package authn answers "who is calling?".
//
// A [Middleware] reads the credential of a request once and asks its
// [Authenticator]s, which recognize their own kind by its shape. What they
// answer is a [Principal]: an identity with compiled rights, which package
// authz decides on and package ratelimit charges.
//
// The authenticators are packages beside it: authn/apikey for API keys,
// authn/session for people who have logged in. authn/login logs them in, and
// authn/password hashes and judges passwords.
package authn

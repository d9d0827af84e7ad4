// Package login turns an email address and a password into a session, changes and
// resets passwords, and makes people members of accounts by invitation.
//
// An address belongs to a user only after somebody has used a token that was sent to
// it: [Manager.Invite] makes no user and no membership, [Manager.Accept] does.
//
// A [Manager] tells a stranger nothing: whether or not there is such a user,
// with a password or without, suspended or not, [Manager.Login] does the same
// work and takes the same way out, [ErrFailed]. Only an imported hash takes the
// work that it was made with, until its owner's first login: see
// [password.Hasher.Verify]. Several counters bound guessing, see [Limits]. One
// of them is the owner's own: failing on purpose locks out others who guess, and
// never a device that the owner has logged in from since all their sessions last
// ended.
//
// All tokens are signed under Config.Secret, which is kept apart from the database:
// what the database holds opens no door.
package login

// Package login turns an email address and a password into a session, changes
// passwords, and sets them by invitation.
//
// A [Manager] tells a stranger nothing: whether there is such a user, whether
// he has a password and whether he is suspended, [Manager.Login] does the same
// work and takes the same way out, [ErrFailed]. An imported hash alone takes the
// work that it was made with, until its owner's first login: see
// [password.Hasher.Verify]. Guessing is bounded in lanes, see [Limits], one of
// which is the owner's own: whoever fails on purpose locks out others who guess,
// and never a device that the owner has logged in from since all his sessions
// last ended.
//
// Nothing is stored for that. Device tokens and invitations are signed under
// Config.Secret, which is kept apart from the database: what the database holds
// opens no door.
package login

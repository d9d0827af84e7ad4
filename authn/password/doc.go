// Package password hashes passwords, and judges which ones people may choose.
//
// # Hashing
//
// A [Hasher] uses Argon2id (RFC 9106) with the parameters of OWASP's Password
// Storage Cheat Sheet: 19 MiB, two passes, one lane. Each hash has a salt of
// its own, so equal passwords have different hashes. Bcrypt hashes and Argon2id
// hashes with other parameters verify too, so that users can be imported. They
// are replaced at the next login.
//
// # Work
//
// One hash occupies a processor for some 30 ms, and 19 MiB. So a flood of
// logins could take the processors and the memory from everything else. A
// Hasher therefore computes a fixed number of hashes at once, half of the
// processors by default. The other callers wait in a queue of fixed length for
// a fixed time, and after that get a [BusyError]. So the memory that a flood
// can take has a bound, which the configuration states.
//
// # Timing
//
// The time of a refusal must not tell whether a user exists. [Hasher.Verify]
// therefore computes the same number of hashes for every user: also if there is
// no such user, if the user has no password, and if the stored hash is damaged.
// Imports are the stated exception.
//
// # Characters
//
// A keyboard may send an accented letter as one code point or as two, and a
// space in several ways. People cannot see the difference, and would be locked
// out on another device. So what is hashed is one form of the password (NFC,
// with every space as U+0020). Nothing is cut off: a password that is too long
// is refused.
//
// # Policy
//
// [Hasher.Check] follows NIST SP 800-63B-4: at least 15 characters, no rules
// about which characters, and no passwords that are tried first.
package password

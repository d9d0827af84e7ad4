// Package apikey authenticates API keys. A [Manager] is an authn.Authenticator
// for them, and it issues, changes, rotates, revokes and imports them.
//
// # Whose a key is
//
// A key belongs to the person who made it, or to the account itself. A person's
// key opens what its grant says, and never more than that person may do at
// present: when their role shrinks, the key shrinks, and when they leave, it
// opens nothing. A key of the account ([Spec].Service) is bound by its grant
// alone, and stays when its maker leaves.
//
// # Who manages keys
//
// People and the operator manage keys. Keys never do. Nobody makes, widens,
// rotates or enables a key that opens more than they may open themselves. What
// is compared with the caller's rights is what is written: the store refuses a
// change if the stored grant is another one by then. People need a recent
// login, because a key outlives the session that made it.
//
// # Verification
//
// A key is checked in this order, and each step costs more than the one before:
//
//   - Its shape and its checksum, without I/O. Made-up texts end here.
//   - The cache of verified keys, which is read without a lock.
//   - The store, in one statement that finds the key by its digest, with its
//     account, its owner and the owner's membership.
//
// The store keeps HMAC digests under a pepper (package keyfmt). So a stolen
// database opens nothing, and a row that somebody writes into it without
// knowing the pepper verifies nothing. The key is found by its whole digest, so
// an unknown key and a wrong one cost the same work.
//
// # Revocation
//
// The cache never uses an answer for longer than it is known to hold:
//
//   - With a living stream of changes, a revocation arrives by push.
//   - If the stream is down or silent, an entry ends with its lease.
//   - In any case an entry ends with its greatest age.
//
// So a revoked key is refused on every node after [Manager.MaxRevocationDelay]
// at the latest. A change is committed before the cache of this process forgets
// the key, and a read that was in flight meanwhile is stale when it arrives:
// see package internal/recall.
//
// A store that cannot answer is 503. It is never a 401, and never a pass.
//
// # Rotation
//
// [Manager.Rotate] makes a successor with the same rights. The grace period of
// the old key begins when the successor is first used, not when it is made,
// because the new key has to be deployed first. It ends after 7 days in any
// case. During the grace period both keys draw on one budget, so a rotation
// brings no fresh limit.
//
// The first use of the successor is what begins the grace period, and it must
// not be lost. It is written before the answer is cached. So if the process
// dies, or the store cannot write, the next use is a first use again.
//
// # Repetition
//
// A client that does not know whether its request has arrived repeats it. A
// [Call] names the request, so that the repetition makes no second key. The
// store checks the name in the transaction that makes the key: of two calls at
// the same time one makes it, and the other one finds it. The repetition gets
// the record, and never the secret: a second request may come from somebody
// else.
//
// # Imported keys
//
// The keys of another system go on working ([Manager.Import]), and are verified
// by what that system has stored of them, until their first use. Some of those
// hashes are slow on purpose. So a bounded number of them is verified at once,
// and a client that sends wrong keys under a known id can delay other imports,
// but nobody else. After its first use an imported key has a digest like all
// others.
package apikey

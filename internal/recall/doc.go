// Package recall caches what a store says about tokens, and records when the
// tokens are used. An authenticator of opaque tokens has one [Memory].
//
// # Why a cached answer is not used too long
//
// An answer is used again only while all of these hold (see freshness):
//
//   - No change of the key, its account or its owner is known that is newer
//     than the answer. An answer carries the number of the last change that was
//     known before the store was asked. So a change that is committed while the
//     answer is on its way makes it stale on arrival.
//   - Its lease has not ended. The lease begins when the store was asked. Each
//     sign of life of the stream of changes renews it. So a stream that is cut
//     or hangs costs reads, and not safety.
//   - Its greatest age has not been reached, which nothing renews. It bounds
//     changes that a living stream does not tell of.
//
// [Memory.MaxDelay] is the bound that follows. It depends on no other clock
// than the monotonic one of this process.
//
// # What is bounded
//
// The table has a fixed size, and is read without a lock. Refusals have a table
// of their own, so that made-up tokens cannot push out real ones. They hold for
// a second at most, and until any change at all: a token that did not exist has
// no id by which a change could name it. Outages are never cached. Requests
// that bring the same unknown token at the same time share one read of the
// store.
package recall

// Package ratelimit answers "how often?".
//
// A [Plan] names up to four limits that are decided together: "60 a minute
// and 10,000 a day". A [Store] decides a whole plan in one atomic step, so a
// refused request spends nothing in any window. A [Limiter] is the middleware
// around it: [Limiter.Check] decides and writes nothing, [Limiter.Wrap] turns
// the decision into headers, and into a 429 where it is one.
//
// What the windows promise:
//
//   - [Rolling], quota up to 64: never more than the quota in any period,
//     wherever it begins, to the nanosecond. A client that paces itself at
//     exactly period/quota (where that is a whole number of nanoseconds) from
//     an idle start is never refused.
//   - [Rolling], larger quotas: never more than the quota in any period either;
//     a unit comes back between 1 and 17/16 periods after its use, so a client
//     that takes all it can get receives at least 94 % of the quota.
//   - [Calendar] and [Monthly]: the quota per day or billing month of a time
//     zone, given back at a known instant.
//
// [Memory] is the store inside one process. It is of fixed size, keeps no
// bytes of the identities it counts, and starts no goroutine.
package ratelimit

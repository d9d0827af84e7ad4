// Package ratelimit answers the question how often a caller may do something.
//
// A [Plan] has up to four limits that are decided together, such as 60 a minute
// and 10,000 a day. A [Store] decides a whole plan in one atomic step. So a
// refused request spends nothing in any window: what the minute refuses, the
// day does not count. A [Limiter] is middleware around a store. [Limiter.Check]
// decides and writes nothing, and [Limiter.Wrap] turns the decision into
// headers and, if the request is refused, into a 429.
//
// # What the windows promise
//
//   - [Rolling] with a quota up to 64: never more than the quota in any period,
//     wherever the period begins, to the nanosecond. A client that starts from
//     an empty window and makes a request exactly every period/quota is never
//     refused, if that is a whole number of nanoseconds.
//   - [Rolling] with a larger quota: never more than the quota in any period
//     either. A unit returns between 1 and 17/16 periods after its use. So a
//     client that takes all it can get receives at least 94 % of the quota.
//   - [Calendar] and [Monthly]: the quota for each day or billing month of a
//     time zone. It returns at a known instant.
//
// Retry-After is exact: the same request passes after that time, and not a
// second earlier, if nobody else spends meanwhile.
//
// # How a take is decided
//
// [Memory.Take] is the function that decides in one process. It locks the
// subject, reads every window of the plan, and compares each with the cost.
// Only if all of them have room does it charge them, and only then does it
// write anything. So of many takes at the same time exactly as many pass as the
// quota allows, and a take that is refused leaves no trace.
//
// Time is an argument of a take, so a test can decide at any instant. A time
// before the last charge is taken for that of the last charge: a clock that
// goes back gives nothing back.
//
// # Who is charged
//
// A counter belongs to a scope (the limiter), a subject, a kind of window and
// its length. The subject is an account and environment, or a key, or an
// address. It never contains what a client can choose freely. A new plan keeps
// what was used under the old one, so changing plans brings no fresh budget.
//
// # What the client is told
//
// Every decision has the state of all limits of its plan.
// [Decision.WriteHeader] sends it in two families of headers:
// X-RateLimit-Limit, -Remaining and -Reset, which most clients know, for the
// limit that matters most; and RateLimit-Policy and RateLimit of the IETF
// draft, for all of them. Both contain only what the plan and the counters say.
// Nothing that a client has sent is in them.
//
// # Memory and outages
//
// [Memory] is the store inside one process. It has a fixed size, so a flood of
// identities cannot exhaust memory. It stores hashes of identities and not
// their bytes, and starts no goroutine. Processes with a Memory each count
// separately.
//
// A store of another kind may fail. Then [OnOutage] decides: count in this
// process, let requests pass, or refuse them with 503.
package ratelimit

package login

import (
	"cmp"
	"net/netip"
	"sync"
	"time"

	"medtwin.ai/tollgate/authn"
)

// Failures counts failed attempts by subject. ratelimit.Failures is one.
// Implementations are safe for concurrent use.
type Failures interface {
	// Peek returns how many times subject may fail now, and where that is 0,
	// how long until it may once more.
	Peek(subject string, now time.Time) (left int64, retry time.Duration)
	// Count counts one failure.
	Count(subject string, now time.Time)
}

// Limits bound guessing. From a device that is not known an attempt must fit
// under the first three; from one that is, under the last, which nobody else's
// failures reach. Besides, at most 8 attempts on one account from unknown
// devices are in flight at once, and 8 from known ones. They may share one
// Failures.
type Limits struct {
	// Address: of one client on all accounts, by its address, of IPv6 the /64.
	// 20 in 15 minutes is usual.
	Address Failures
	// Source: of one client on one account, and of one user who changes his
	// password. 5 in 15 minutes.
	Source Failures
	// Account: of all clients on one account. 100 in an hour.
	Account Failures
	// Device: of one known device. 5 in 15 minutes.
	Device Failures
}

// A lane is one of the counts that an attempt must fit under. Its subject
// names nobody to who keeps the counters.
type lane struct {
	failures Failures
	subject  string
}

// lanes are those of a known device, or of anyone. Who has no email of a user
// goes by what he typed all the same.
func (m *Manager) lanes(device, email string, from netip.Addr) []lane {
	l, source := &m.config.Limits, client(from)
	if device != "" {
		return []lane{
			{l.Device, m.seal.subject("device", device)},
			{inFlight, m.seal.subject("devices", email)},
		}
	}
	return []lane{
		{l.Address, m.seal.subject("address", source)},
		{l.Source, m.seal.subject("source", email, source)},
		{l.Account, m.seal.subject("account", email)},
		{inFlight, m.seal.subject("attempts", email)},
	}
}

// atOnce bounds attempts in flight and nothing else. Without it one user with
// the right password, which no other lane counts, could fill the queue for
// hashes: from many networks, or from many known devices, since every login
// from an unknown one makes another known.
type atOnce int64

// inFlight is far below password.Config.Queue.
const inFlight = atOnce(8)

// Peek implements Failures.
func (n atOnce) Peek(string, time.Time) (int64, time.Duration) { return int64(n), 0 }

// Count implements Failures.
func (atOnce) Count(string, time.Time) {}

// client is whom an address stands for: of IPv6 the /64, which one client has
// all of, in whatever zone. Those without an address are one.
func client(a netip.Addr) string {
	if a = a.Unmap(); a.Is6() { // a Prefix has no zone
		return netip.PrefixFrom(a, 64).Masked().String()
	}
	return text(a)
}

// A throttle holds up who has failed too often. An attempt counts from its
// beginning, so that many at once get no further than many in turn: those that
// are on their way in this process beside the failures that are counted. In
// several processes a limit can be passed by what is on its way in the others.
type throttle struct {
	mu     sync.Mutex
	flying map[string]int64 // attempts on their way, by subject
}

// crowded is when to come back if only attempts on their way are in the way:
// in a second there is a better answer.
const crowded = time.Second

// A turn is one attempt on its way.
type turn struct {
	throttle *throttle
	lanes    []lane
}

// enter begins an attempt, or returns a *authn.ThrottledError. The caller calls
// leave.
func (t *throttle) enter(lanes []lane, now time.Time) (*turn, error) {
	e := &turn{t, lanes}
	flying := e.add(1) // before looking, so that of two at once one sees the other
	var retry time.Duration
	for i, l := range lanes {
		if left, wait := l.failures.Peek(l.subject, now); flying[i] > left {
			retry = max(retry, cmp.Or(wait, crowded))
		}
	}
	if retry > 0 {
		e.leave()
		return nil, &authn.ThrottledError{Retry: retry}
	}
	return e, nil
}

// fail counts a failure, before leave, so that it is never counted nowhere.
func (e *turn) fail(now time.Time) {
	for _, l := range e.lanes {
		l.failures.Count(l.subject, now)
	}
}

// leave ends the attempt. Unless it failed, it is as if it had never been.
func (e *turn) leave() { e.add(-1) }

// add changes how many are on their way, and returns that by lane.
func (e *turn) add(n int64) []int64 {
	e.throttle.mu.Lock()
	defer e.throttle.mu.Unlock()
	if e.throttle.flying == nil {
		e.throttle.flying = map[string]int64{}
	}
	now := make([]int64, len(e.lanes))
	for i, l := range e.lanes {
		now[i] = e.throttle.flying[l.subject] + n
		if e.throttle.flying[l.subject] = now[i]; now[i] == 0 {
			delete(e.throttle.flying, l.subject)
		}
	}
	return now
}

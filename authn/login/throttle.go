package login

import (
	"cmp"
	"net/netip"
	"sync"
	"time"

	"medtwin.ai/tollgate/authn"
)

// A lane is one of the counts that an attempt must fit under. Its subject reveals
// nobody to the store of the counters.
type lane struct {
	failures authn.Failures
	subject  string
}

// lanes returns the lanes of a known device, or of anyone. An email that no user has
// counts like any other.
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

// Peek implements authn.Failures.
func (a atOnce) Peek(string, time.Time) (int64, time.Duration) { return int64(a), 0 }

// Count implements authn.Failures.
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
func (t *turn) fail(now time.Time) {
	for _, l := range t.lanes {
		l.failures.Count(l.subject, now)
	}
}

// leave ends the attempt. Unless it failed, it is as if it had never been.
func (t *turn) leave() { t.add(-1) }

// add changes how many are on their way, and returns that by lane.
func (t *turn) add(n int64) []int64 {
	t.throttle.mu.Lock()
	defer t.throttle.mu.Unlock()
	if t.throttle.flying == nil {
		t.throttle.flying = map[string]int64{}
	}
	now := make([]int64, len(t.lanes))
	for i, l := range t.lanes {
		now[i] = t.throttle.flying[l.subject] + n
		if t.throttle.flying[l.subject] = now[i]; now[i] == 0 {
			delete(t.throttle.flying, l.subject)
		}
	}
	return now
}

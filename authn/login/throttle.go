package login

import (
	"cmp"
	"net/netip"
	"sync"
	"time"

	"medtwin.ai/tollgate/authn"
)

// A counter counts the failures of one subject, and an attempt must fit under its
// limit. The subject reveals nobody to the store of the counts.
type counter struct {
	failures authn.Failures
	subject  string
}

// counters returns the counters of an attempt from a known device, or from any other
// client if device is empty. An email that no user has counts like any other.
func (m *Manager) counters(device, email string, from netip.Addr) []counter {
	l, source := &m.config.Limits, client(from)
	if device != "" {
		return []counter{
			{l.Device, m.seal.subject("device", device)},
			{inFlight, m.seal.subject("devices", email)},
		}
	}
	return []counter{
		{l.Address, m.seal.subject("address", source)},
		{l.Source, m.seal.subject("source", email, source)},
		{l.Account, m.seal.subject("account", email)},
		{inFlight, m.seal.subject("attempts", email)},
	}
}

// atOnce bounds attempts in flight and nothing else. Without it one user with
// the right password, which no other counter sees, could fill the queue for
// hashes: from many networks, or from many known devices, since every login
// from an unknown one makes another known.
type atOnce int64

// inFlight is far below password.Config.Queue.
const inFlight = atOnce(8)

// Peek implements authn.Failures.
func (a atOnce) Peek(string, time.Time) (int64, time.Duration) { return int64(a), 0 }

// Count implements authn.Failures.
func (atOnce) Count(string, time.Time) {}

// client returns the client that an address stands for. All of an IPv6 /64 is one
// client, in whatever zone. All clients without an address are one.
func client(a netip.Addr) string {
	if a = a.Unmap(); a.Is6() { // a Prefix has no zone
		return netip.PrefixFrom(a, 64).Masked().String()
	}
	return text(a)
}

// A throttle refuses clients that have failed too often. An attempt counts from its
// beginning, so that many at once get no further than many in turn: a limit applies to
// the counted failures plus the attempts in flight in this process. With several
// processes a limit can be exceeded by the attempts in flight in the others.
type throttle struct {
	mu     sync.Mutex
	flying map[string]int64 // attempts in flight, by subject
}

// crowded is when to try again if only attempts in flight exceed a limit: in a second
// there is a better answer.
const crowded = time.Second

// A turn is one attempt in flight.
type turn struct {
	throttle *throttle
	counters []counter
}

// enter begins an attempt, or returns a *authn.ThrottledError. The caller calls
// leave.
func (t *throttle) enter(counters []counter, now time.Time) (*turn, error) {
	e := &turn{t, counters}
	flying := e.add(1) // before looking, so that of two at once one sees the other
	var retry time.Duration
	for i, c := range counters {
		if left, wait := c.failures.Peek(c.subject, now); flying[i] > left {
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
	for _, c := range t.counters {
		c.failures.Count(c.subject, now)
	}
}

// leave ends the attempt. Unless it failed, it is as if it had never been.
func (t *turn) leave() { t.add(-1) }

// add changes the number of attempts in flight, and returns it for each counter.
func (t *turn) add(n int64) []int64 {
	t.throttle.mu.Lock()
	defer t.throttle.mu.Unlock()
	if t.throttle.flying == nil {
		t.throttle.flying = map[string]int64{}
	}
	now := make([]int64, len(t.counters))
	for i, c := range t.counters {
		now[i] = t.throttle.flying[c.subject] + n
		if t.throttle.flying[c.subject] = now[i]; now[i] == 0 {
			delete(t.throttle.flying, c.subject)
		}
	}
	return now
}

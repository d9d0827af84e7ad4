package redisstore

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

var t0 = time.Date(2026, 1, 30, 12, 0, 0, 123456000, time.UTC)

// soon is how long a test waits for what must come.
const soon = 30 * time.Second

// login describes the nth session of a user.
func login(user string, n int) store.Session {
	id := fmt.Sprintf("ses_%s_%06d", user, n)
	return store.Session{
		ID: id, User: user, Account: "acct_1", Digest: keyfmt.Digest{Pepper: "p1", Sum: sha256.Sum256([]byte(id))}, Epoch: 1,
		Created: t0, Expires: t0.Add(time.Hour), Idle: time.Minute, Address: "192.0.2.7", Agent: "curl/8",
	}
}

// begin adds sessions.
func begin(t testing.TB, s *Store, list ...store.Session) {
	t.Helper()
	for _, o := range list {
		if err := s.Sessions().Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
}

// poll asks f until it says yes.
func poll(t testing.TB, no string, f func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(soon)
	for !f() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("%s within %v", no, soon)
		}
	}
}

// An event is what a watcher was told, or the end of a watch.
type event struct {
	call  string // "Gap", "Alive", "Forget", "end"
	id    string
	err   error
	at    time.Time // what Alive was given
	heard time.Time
}

// A ledger is a watcher that keeps everything.
type ledger struct {
	mu     sync.Mutex
	events []event
	more   chan struct{} // closed and replaced on every event
}

func newLedger() *ledger { return &ledger{more: make(chan struct{})} }

func (l *ledger) add(e event) {
	e.heard = time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, e)
	close(l.more)
	l.more = make(chan struct{})
}

func (l *ledger) Forget(id string)   { l.add(event{call: "Forget", id: id}) }
func (l *ledger) Alive(at time.Time) { l.add(event{call: "Alive", at: at}) }
func (l *ledger) Gap()               { l.add(event{call: "Gap"}) }

func (l *ledger) all() []event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.events)
}

// hear waits for an event after the first n, and returns how many there are up
// to it.
func (l *ledger) hear(t testing.TB, what string, n int, f func(event) bool) int {
	t.Helper()
	late := time.After(soon)
	for {
		l.mu.Lock()
		events, more := l.events, l.more
		l.mu.Unlock()
		if i := slices.IndexFunc(events[min(n, len(events)):], f); i >= 0 {
			return n + i + 1
		}
		select {
		case <-more:
		case <-late:
			t.Fatalf("%s was not heard within %v", what, soon)
		}
	}
}

// alive waits for a sign of life that is newer than now.
func (l *ledger) alive(t testing.TB) {
	t.Helper()
	now := time.Now()
	l.hear(t, "a sign of life", 0, func(e event) bool { return e.call == "Alive" && e.at.After(now) })
}

// end waits for the end of a watch after the first n events.
func (l *ledger) end(t testing.TB, n int) error {
	t.Helper()
	i := l.hear(t, "the end of the watch", n, func(e event) bool { return e.call == "end" })
	return l.all()[i-1].err
}

// dead reports every sign of life with an instant between the two, when
// nothing could be heard.
func (l *ledger) dead(t testing.TB, from, to time.Time) {
	t.Helper()
	for _, e := range l.all() {
		if e.call == "Alive" && e.at.After(from) && e.at.Before(to) {
			t.Errorf("Alive %v after nothing could be heard any more", e.at.Sub(from))
		}
	}
}

// watch watches until the test ends, again and again, as caches do, and
// returns when the stream is up.
func watch(t testing.TB, s store.Changes) *ledger {
	t.Helper()
	l := newLedger()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			l.add(event{call: "end", err: s.Watch(ctx, l)})
			<-tick.C
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	l.hear(t, "Gap", 0, func(e event) bool { return e.call == "Gap" })
	return l
}

// forgets waits for the report of a change.
func (l *ledger) forgets(t testing.TB, id string) {
	t.Helper()
	l.hear(t, "a change of "+id, 0, func(e event) bool { return e.call == "Forget" && e.id == id })
}

package storetest

import (
	"context"
	"slices"

	"medtwin.ai/tollgate/store"
)

// A readier is a backend that reports whether it can work now, which is optional.
type readier interface {
	// Ready returns nil if the store takes writes, and the reason otherwise. It proves
	// that by a write that leaves no trace.
	Ready(ctx context.Context) error
}

func readyChecks() []check {
	return []check{
		{8, "Ready leaves no trace and publishes nothing", ready}, // case T9
	}
}

func ready(s *suite) {
	r, ok := s.Backend.(readier)
	if p, is := s.Backend.(*pair); is {
		_, ok = p.Backend.(readier)
	}
	if !ok {
		return
	}
	s.accounts(mine)
	l, stop := s.watch()
	defer stop()
	for range 3 {
		s.must("Ready", r.Ready(s.Context()))
	}
	s.must("SetPlan", s.Accounts().SetPlan(s.Context(), mine, "other", ""))
	if !l.forgets(mine, s.timeout) {
		s.errorf("a change after Ready was not heard of")
	}
	if ids := l.ids(); slices.ContainsFunc(ids, func(id string) bool { return id != mine }) {
		s.errorf("Ready has published %q", ids)
	}
	for _, account := range []string{"", mine} {
		s.same("the events after Ready", s.eventsOf(account, "", 9), []store.Event(nil))
	}
	s.same("the keys after Ready", s.list(mine), []store.Key(nil))
	ended, cancel := context.WithCancel(s.Context())
	cancel()
	if err := r.Ready(ended); err == nil {
		s.errorf("Ready returns nil though its context has ended")
	}
}

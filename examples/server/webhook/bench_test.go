package webhook_test

import (
	"errors"
	"fmt"
	"testing"

	"medtwin.ai/tollgate/examples/server/database/databasetest"
	"medtwin.ai/tollgate/examples/server/webhook"
)

// An event for two endpoints, one of which has its share of the backlog.
func BenchmarkEnqueue(b *testing.B) {
	s := newSender(b, databasetest.Name(b), nil)
	full, _ := s.add(b, "acct_1", "http://localhost/full")
	s.add(b, "acct_1", "http://localhost/live")
	s.fill(b, full.ID, webhook.MaxPending/2)
	for i := 0; b.Loop(); i++ {
		if err := s.Enqueue(b.Context(), "acct_1", event(fmt.Sprint("evt_", i), "key.created")); !errors.Is(err, webhook.ErrBacklog) {
			b.Fatal(err)
		}
	}
}

// From the queueing of an event to its arrival, one after the other.
func BenchmarkDeliver(b *testing.B) {
	s := newSender(b, databasetest.Name(b), nil)
	r := newReceiver(b, nil)
	s.add(b, "acct_1", r.URL)
	s.run(b)
	for i := 0; b.Loop(); i++ {
		s.enqueue(b, "acct_1", fmt.Sprint("evt_", i), "key.created")
		r.wait(b, i+1)
	}
}

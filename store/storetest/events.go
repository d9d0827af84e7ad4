package storetest

import (
	"fmt"

	"medtwin.ai/tollgate/store"
)

func eventChecks() []check {
	return []check{
		{1, "every field of an event comes back", everyFieldOfEvent},
		{1, "Events.List pages by descending id", eventPages},
		{2, "a list holds the events of one account", foreignEvents},
	}
}

// newEvent describes the nth event of an account. A higher n is a later id, in any
// account.
func newEvent(account string, n int) store.Event {
	return store.Event{
		ID: fmt.Sprintf("evt_%04d_%s", n, account), Account: account, Actor: "user_0001", Kind: "key.revoked",
		Subject: "key_0001", Address: "192.0.2.7", At: t0, Note: "leaked",
	}
}

func (s *suite) happen(events ...store.Event) {
	s.Helper()
	for _, e := range events {
		s.must("Append", s.Events().Append(s.Context(), e))
	}
}

func (s *suite) eventsOf(account, after string, limit int) []store.Event {
	s.Helper()
	list, err := s.Events().List(s.Context(), account, after, limit)
	s.must("Events.List", err)
	return list
}

func everyFieldOfEvent(s *suite) {
	want := newEvent(mine, 1)
	want.Note = "名 '\" \\ \n"
	s.happen(want, store.Event{ID: "evt_bare"})
	again := newEvent(mine, 1)
	again.Note, again.Account = "forged", theirs
	s.is("Append with an id that is taken", s.Events().Append(s.Context(), again), store.ErrConflict)
	s.same("Events.List", s.eventsOf(mine, "", 9), []store.Event{want})
	s.same("Events.List of no account", s.eventsOf("", "", 9), []store.Event{{ID: "evt_bare"}})
	s.same("Events.List of the other", s.eventsOf(theirs, "", 9), []store.Event(nil))
}

func eventPages(s *suite) {
	var want []store.Event
	for i := range 7 {
		s.happen(newEvent(mine, i*3%7), newEvent(theirs, i)) // in no order
		want = append(want, newEvent(mine, 6-i))
	}
	for _, size := range []int{1, 3, 7, 8} {
		var got []store.Event
		after := ""
		for range 8 {
			page := s.eventsOf(mine, after, size)
			if len(page) > size {
				s.errorf("a page of %d, limit %d", len(page), size)
			}
			if len(page) == 0 {
				break
			}
			got, after = append(got, page...), page[len(page)-1].ID
		}
		s.same(fmt.Sprintf("pages of %d", size), got, want)
	}
	for _, size := range []int{0, -1} {
		s.same("a page of none", s.eventsOf(mine, "", size), []store.Event(nil))
	}
}

func foreignEvents(s *suite) {
	s.happen(newEvent(mine, 1), newEvent(theirs, 1), newEvent(mine, 2))
	s.same("Events.List", s.eventsOf(theirs, "", 9), []store.Event{newEvent(theirs, 1)})
	s.same("Events.List after a foreign id", s.eventsOf(mine, newEvent(theirs, 1).ID, 9), []store.Event{newEvent(mine, 1)})
}

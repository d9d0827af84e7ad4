package webhook_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"medtwin.ai/tollgate/webhook"
)

// A memory is a store of one process, for tests.
type memory struct {
	mu        sync.Mutex
	down      bool // then every call fails
	endpoints []*kept
	attempted time.Time // when the latest claim began
}

// A kept endpoint has its deliveries.
type kept struct {
	webhook.Endpoint
	account          string
	attempted, until time.Time // of its latest claim
	queued           []*queued // in order
}

type queued struct {
	webhook.Delivery
	due, settled time.Time // one of them is zero
	err          string
}

// do runs f alone, unless the store is down.
func (m *memory) do(f func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down {
		return errors.New("the store is down")
	}
	return f()
}

func (m *memory) of(account string, id string) (list []*kept) {
	for _, e := range m.endpoints {
		if (account == "" || e.account == account) && (id == "" || e.ID == id) {
			list = append(list, e)
		}
	}
	return list
}

func (k *kept) pending() (n int) {
	for _, q := range k.queued {
		if q.settled.IsZero() {
			n++
		}
	}
	return n
}

func (k *kept) has(event string) bool {
	return slices.ContainsFunc(k.queued, func(q *queued) bool { return q.Event == event })
}

func (m *memory) Add(_ context.Context, account string, e webhook.Endpoint, most int) error {
	return m.do(func() error {
		if len(m.of(account, "")) >= most {
			return webhook.ErrQuota
		}
		m.endpoints = append(m.endpoints, &kept{Endpoint: e, account: account})
		return nil
	})
}

func (m *memory) List(_ context.Context, account string) (list []webhook.Endpoint, err error) {
	return list, m.do(func() error {
		for _, k := range m.of(account, "") {
			e := k.Endpoint
			e.Pending, e.Dead = k.pending(), 0
			for _, q := range k.queued {
				if !q.settled.IsZero() && q.err != "" {
					e.Dead++
				}
			}
			list = append(list, e)
		}
		slices.SortFunc(list, func(a, b webhook.Endpoint) int { return strings.Compare(a.ID, b.ID) })
		return nil
	})
}

func (m *memory) Remove(_ context.Context, account, id string) error {
	return m.do(func() error {
		for i, e := range m.endpoints {
			if e.account == account && e.ID == id {
				m.endpoints = slices.Delete(m.endpoints, i, i+1)
				return nil
			}
		}
		return webhook.ErrNotFound
	})
}

func (m *memory) Queue(_ context.Context, d webhook.Delivery, now time.Time, most int) (dropped int, err error) {
	return dropped, m.do(func() error {
		all, hear := 0, 0
		live := slices.DeleteFunc(m.of(d.Account, ""), func(k *kept) bool { return !k.Gone.IsZero() })
		for _, k := range live {
			all += k.pending()
			hear++
		}
		for _, k := range live {
			switch {
			case len(k.Kinds) > 0 && !slices.Contains(k.Kinds, d.Kind), k.has(d.Event):
			case k.pending() >= most/hear || all+hear > most:
				k.Dropped++
				dropped++
			default:
				d.Endpoint, d.URL = k.ID, k.URL
				k.queued = append(k.queued, &queued{Delivery: d, due: now})
			}
		}
		return nil
	})
}

func (m *memory) Claim(_ context.Context, failing bool, n int, now, until time.Time) (list []webhook.Delivery, err error) {
	return list, m.do(func() error {
		free := slices.DeleteFunc(m.of("", ""), func(k *kept) bool { return k.until.After(now) || (k.Failures > 0) != failing })
		slices.SortStableFunc(free, func(a, b *kept) int { return a.attempted.Compare(b.attempted) })
		for _, k := range free {
			var first *queued
			for _, q := range k.queued {
				if q.settled.IsZero() && !q.due.After(now) && (first == nil || q.due.Before(first.due)) {
					first = q
				}
			}
			if first == nil || len(list) == n {
				continue
			}
			k.attempted, k.until, m.attempted = now, until, now
			d := first.Delivery
			d.Until = until
			list = append(list, d)
		}
		return nil
	})
}

func (m *memory) End(_ context.Context, d webhook.Delivery, o webhook.Outcome) error {
	return m.do(func() error {
		for _, k := range m.of("", d.Endpoint) {
			if k.until.Equal(d.Until) {
				k.until = time.Time{}
			}
			switch {
			case o.At.IsZero():
				return nil
			case o.Error == "":
				k.Delivered, k.Failures = o.At, 0
			default:
				k.Failed, k.Error = o.At, o.Error
				k.Failures++
			}
			if o.Gone {
				k.Gone = o.At
			}
			for _, q := range k.queued {
				switch {
				case q.Event != d.Event && !o.Gone, o.Error != "" && !q.settled.IsZero():
				case o.Due.IsZero():
					q.settled, q.err = o.At, o.Error
				default:
					q.Attempts++
					q.due, q.err = o.Due, o.Error
				}
			}
		}
		return nil
	})
}

func (m *memory) Prune(_ context.Context, before time.Time) error {
	return m.do(func() error {
		for _, k := range m.endpoints {
			k.queued = slices.DeleteFunc(k.queued, func(q *queued) bool { return !q.settled.IsZero() && q.settled.Before(before) })
		}
		return nil
	})
}

// setDown makes every call fail from now on.
func (m *memory) setDown() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.down = true
}

// fail makes endpoints of an account ones whose latest attempt failed.
func (s *sender) fail(account, url string) {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	for _, k := range s.store.of(account, "") {
		if k.URL == url {
			k.Failures = 1
		}
	}
}

// queued returns all deliveries.
func (s *sender) queued() (list []queued) {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	for _, k := range s.store.endpoints {
		for _, q := range k.queued {
			list = append(list, *q)
		}
	}
	return list
}

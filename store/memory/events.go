package memory

import (
	"cmp"
	"context"
	"slices"
	"time"

	"medtwin.ai/tollgate/store"
)

type events struct{ s *Store }

func (v events) Append(ctx context.Context, e store.Event) error {
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	i, taken := slices.BinarySearchFunc(v.s.events, e.ID, byEvent)
	if taken {
		return store.ErrConflict
	}
	e.At = utc(e.At)
	v.s.events = slices.Insert(v.s.events, i, e)
	if n := len(v.s.events) - v.s.maxEvents; n > 0 {
		v.s.events = slices.Delete(v.s.events, 0, n)
	}
	return nil
}

func (v events) List(ctx context.Context, account, after string, limit int) ([]store.Event, error) {
	v.s.mu.RLock()
	defer v.s.mu.RUnlock()
	end := len(v.s.events)
	if after != "" {
		end, _ = slices.BinarySearchFunc(v.s.events, after, byEvent)
	}
	var list []store.Event
	for _, e := range slices.Backward(v.s.events[:end]) {
		if len(list) >= limit {
			break
		}
		if e.Account == account {
			list = append(list, e)
		}
	}
	return list, nil
}

func (v events) Prune(ctx context.Context, before time.Time, most int) (n int, err error) {
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	v.s.events = slices.DeleteFunc(v.s.events, func(e store.Event) bool {
		if n >= most || !past(e.At, before) {
			return false
		}
		n++
		return true
	})
	return n, nil
}

func byEvent(e store.Event, id string) int { return cmp.Compare(e.ID, id) }

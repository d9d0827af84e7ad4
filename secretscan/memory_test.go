package secretscan_test

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"medtwin.ai/tollgate/secretscan"
)

// A memory is a store of one process, for tests.
type memory struct {
	mu   sync.Mutex
	kept []*kept
}

type kept struct {
	secretscan.Waiting
	until time.Time // of its claim
}

func size(list []*kept) (r secretscan.Room) {
	for _, k := range list {
		r.Reports, r.Bytes = r.Reports+1, r.Bytes+len(k.Sealed)
	}
	return r
}

func beyond(has, room secretscan.Room, more int) bool {
	return has.Reports >= room.Reports || has.Bytes+more > room.Bytes
}

func (m *memory) Add(_ context.Context, w secretscan.Waiting, room, share secretscan.Room) (dropped int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := slices.Clone(m.kept)
	of := map[string][]*kept{}
	for _, k := range list {
		if bytes.Equal(k.ID, w.ID) {
			return 0, nil
		}
		of[k.Origin] = append(of[k.Origin], k)
	}
	if w.Origin != "" && beyond(size(of[w.Origin]), share, len(w.Sealed)) {
		return 0, secretscan.ErrFull
	}
	for ; beyond(size(list), room, len(w.Sealed)); dropped++ {
		free := slices.DeleteFunc(slices.Clone(list), func(k *kept) bool { return k.Origin == "" || k.until.After(w.Received) })
		if len(free) == 0 {
			return 0, secretscan.ErrFull
		}
		weight := func(k *kept) int {
			r := size(slices.DeleteFunc(slices.Clone(free), func(f *kept) bool { return f.Origin != k.Origin }))
			return r.Reports + r.Bytes/(room.Bytes/room.Reports)
		}
		weights := map[string]int{}
		for _, k := range free {
			if _, ok := weights[k.Origin]; !ok {
				weights[k.Origin] = weight(k)
			}
		}
		out := slices.MinFunc(free, func(a, b *kept) int {
			return cmp.Or(cmp.Compare(weights[b.Origin], weights[a.Origin]), after(a.Waiting, b.Waiting))
		})
		list = slices.DeleteFunc(list, func(k *kept) bool { return k == out })
	}
	m.kept = append(list, &kept{Waiting: w})
	slices.SortFunc(m.kept, func(a, b *kept) int { return after(a.Waiting, b.Waiting) })
	return dropped, nil
}

// after compares reports in the order of Next.
func after(a, b secretscan.Waiting) int {
	return cmp.Or(a.Received.Compare(b.Received), bytes.Compare(a.ID, b.ID))
}

func (m *memory) Next(_ context.Context, last secretscan.Waiting, now time.Time) (secretscan.Waiting, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range m.kept {
		if after(k.Waiting, last) > 0 && !k.until.After(now) {
			return k.Waiting, nil
		}
	}
	return secretscan.Waiting{}, nil
}

func (m *memory) Claim(_ context.Context, id []byte, was, until, now time.Time) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range m.kept {
		if bytes.Equal(k.ID, id) && (k.until.Equal(was) || was.IsZero() && !k.until.After(now)) {
			k.until = until
			return true, nil
		}
	}
	return false, nil
}

func (m *memory) End(_ context.Context, id []byte, until time.Time, done bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, k := range m.kept {
		if bytes.Equal(k.ID, id) && k.until.Equal(until) {
			if k.until = (time.Time{}); done {
				m.kept = slices.Delete(m.kept, i, i+1)
			}
			return nil
		}
	}
	return nil
}

package recall

import (
	"context"
	"sync"
	"time"

	"medtwin.ai/tollgate/store"
)

// Uses are noted once a grain at most and written in batches: a request costs no
// write.
const (
	useFlush   = 10 * time.Second
	maxPending = 1 << 17 // credentials; beyond it uses are let go, never requests
)

type uses struct {
	mu      sync.Mutex
	pending map[string]time.Time
}

func (u *uses) add(id string, at time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.pending == nil {
		u.pending = make(map[string]time.Time)
	}
	old, known := u.pending[id]
	if (known || len(u.pending) < maxPending) && at.After(old) {
		u.pending[id] = at
	}
}

// flush writes what is pending; what cannot be written stays pending.
func (u *uses) flush(ctx context.Context, touch func(context.Context, []store.Use) error) error {
	u.mu.Lock()
	pending := u.pending
	u.pending = nil
	u.mu.Unlock()
	if len(pending) == 0 {
		return nil
	}
	batch := make([]store.Use, 0, len(pending))
	for id, at := range pending {
		batch = append(batch, store.Use{ID: id, At: at})
	}
	err := touch(ctx, batch)
	if err != nil {
		for id, at := range pending {
			u.add(id, at)
		}
	}
	return err
}

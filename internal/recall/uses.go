package recall

import (
	"context"
	"sync"
	"time"

	"medtwin.ai/tollgate/store"
)

// A use is noted at most once in each grain, and uses are written in batches.
// So a request costs no write.
const (
	useFlush   = 10 * time.Second
	maxPending = 1 << 17 // credentials; beyond that, uses are dropped and requests are not
)

// uses are the pending uses: the time of the latest one, by the id of the
// credential.
type uses struct {
	mu      sync.Mutex
	pending map[string]time.Time
}

// add notes a use, unless a later one is pending.
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

// flush writes the pending uses. Those that cannot be written stay pending.
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

package sqlitestore

import (
	"errors"
	"sync"
	"testing"
	"time"

	"medtwin.ai/tollgate/store"
)

// The suite runs within one store. Here two of them, as two processes would,
// work on one file at once: nobody fails for a lock, and the quota holds.
// case K22
func TestTwoStoresTogether(t *testing.T) {
	const keys, allowed = 12, 5
	ctx, path := t.Context(), file(t)
	stores := []*Store{open(t, path), open(t, path)}
	newAccount(t, stores[0])

	var mu sync.Mutex
	created, refused := 0, 0
	var wg sync.WaitGroup
	for i, s := range stores {
		for n := range keys {
			k := newKey(i*keys + n)
			wg.Go(func() {
				err := s.KeyAdmin().Create(ctx, k, allowed, t0)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					created++
				case errors.Is(err, store.ErrQuota):
					refused++
				default:
					t.Errorf("Create: %v", err)
				}
			})
			wg.Go(func() {
				if _, _, err := s.Keys().Find(ctx, k.Digest); err != nil && !errors.Is(err, store.ErrNotFound) {
					t.Errorf("Find: %v", err)
				}
				if _, err := s.KeyAdmin().List(ctx, "acct_1", "", 100); err != nil {
					t.Errorf("List: %v", err)
				}
				if err := s.Keys().Touch(ctx, []store.Use{{ID: k.ID, At: t0.Add(time.Hour)}}); err != nil {
					t.Errorf("Touch: %v", err)
				}
			})
		}
	}
	wg.Wait()
	if created != allowed || refused != 2*keys-allowed {
		t.Errorf("%d created and %d refused under a quota of %d", created, refused, allowed)
	}
	for _, s := range stores {
		if list, err := s.KeyAdmin().List(ctx, "acct_1", "", 100); err != nil || len(list) != allowed {
			t.Errorf("a store lists %d keys, error %v; want %d", len(list), err, allowed)
		}
	}
}

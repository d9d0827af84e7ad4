package store_test

import (
	"context"
	"errors"
	"testing"

	"medtwin.ai/tollgate/internal/overlay"
	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/memory"
)

// Sessions that are kept elsewhere, and nothing else, come from there; and what is
// not about sessions does not depend on it.
func TestWithSessions(t *testing.T) {
	main, other := newMemory(t), newMemory(t)
	db := store.WithSessions(main, other.Sessions(), other)
	if err := db.Sessions().Create(t.Context(), store.Session{ID: "ses_1", User: "user_1"}); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Sessions().Get(t.Context(), "user_1", "ses_1"); err != nil {
		t.Errorf("the session is not where sessions are kept: %v", err)
	}
	if err := db.Users().Create(t.Context(), store.User{ID: "user_1"}); err != nil {
		t.Fatal(err)
	}
	if _, err := main.Users().Get(t.Context(), "user_1"); err != nil {
		t.Errorf("the user is not in the main store: %v", err)
	}
}

// The stream of the whole is both; that of everything but sessions outlives the
// end of the other, also where stores are put around each other.
func TestMainChanges(t *testing.T) {
	cut := errors.New("cut")
	broken := changes(func(context.Context, store.Watcher) error { return cut })
	whole := changes(func(ctx context.Context, _ store.Watcher) error { <-ctx.Done(); return ctx.Err() })
	main := overlay.Changes(nil, whole)
	one := store.WithSessions(main, nil, broken)
	ended, stop := context.WithCancel(t.Context())
	stop()
	tests := []struct {
		name  string
		watch store.Changes
		ctx   context.Context
		want  error
	}{
		{"both", one, t.Context(), cut},
		{"keys", store.MainChanges(one), ended, context.Canceled},
		{"keys, twice elsewhere", store.MainChanges(store.WithSessions(one, nil, broken)), ended, context.Canceled},
		{"keys of one store", store.MainChanges(main), ended, context.Canceled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.watch.Watch(tt.ctx, &log{}); !errors.Is(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func newMemory(t *testing.T) *memory.Store {
	t.Helper()
	s, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

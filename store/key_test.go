package store_test

import (
	"testing"
	"time"

	"medtwin.ai/tollgate/store"
)

func TestKeyLive(t *testing.T) {
	now := time.Date(2026, 1, 30, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name        string
		key         store.Key
		live, ended bool
	}{
		{"bare", store.Key{}, true, false},
		{"before its expiry", store.Key{Expires: now.Add(1)}, true, false},
		{"at its expiry", store.Key{Expires: now}, false, true},
		{"after its expiry", store.Key{Expires: now.Add(-1)}, false, true},
		{"revoked", store.Key{Revoked: now}, false, true},
		{"revoked later", store.Key{Revoked: now.Add(time.Hour)}, false, true},
		{"disabled", store.Key{Disabled: now}, false, false},
		{"disabled and expired", store.Key{Disabled: now, Expires: now}, false, true},
		{"disabled and revoked", store.Key{Disabled: now, Revoked: now}, false, true},
	} {
		if live, ended := tt.key.Live(now), tt.key.Ended(now); live != tt.live || ended != tt.ended {
			t.Errorf("%s: live %v and ended %v, want %v and %v", tt.name, live, ended, tt.live, tt.ended)
		}
	}
}

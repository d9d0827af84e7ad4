package store_test

import (
	"testing"
	"time"

	"medtwin.ai/tollgate/store"
)

func TestKeyLive(t *testing.T) {
	now := time.Date(2026, 1, 30, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		key         store.Key
		live, ended bool
	}{
		"bare":                 {store.Key{}, true, false},
		"before its expiry":    {store.Key{Expires: now.Add(1)}, true, false},
		"at its expiry":        {store.Key{Expires: now}, false, true},
		"after its expiry":     {store.Key{Expires: now.Add(-1)}, false, true},
		"revoked":              {store.Key{Revoked: now}, false, true},
		"revoked later":        {store.Key{Revoked: now.Add(time.Hour)}, false, true},
		"disabled":             {store.Key{Disabled: now}, false, false},
		"disabled and expired": {store.Key{Disabled: now, Expires: now}, false, true},
		"disabled and revoked": {store.Key{Disabled: now, Revoked: now}, false, true},
	} {
		if live, ended := c.key.Live(now), c.key.Ended(now); live != c.live || ended != c.ended {
			t.Errorf("%s: live %v and ended %v, want %v and %v", name, live, ended, c.live, c.ended)
		}
	}
}

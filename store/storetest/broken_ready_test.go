package storetest

import (
	"context"

	"medtwin.ai/tollgate/store"
)

// readyBreakages are ways of being ready that are none.
func readyBreakages() []breakage {
	const check = "Ready leaves no trace and publishes nothing"
	return []breakage{
		{8, "Ready leaves an event", check, func(b Backend) Backend {
			return readying{b, func(ctx context.Context) error { return b.Events().Append(ctx, store.Event{ID: "evt_ready"}) }}
		}},
		{8, "Ready publishes a change", check, func(b Backend) Backend {
			return readying{b, func(ctx context.Context) error {
				return b.Users().Create(ctx, store.User{ID: "user_ready"})
			}}
		}},
		{8, "Ready asks nobody", check, func(b Backend) Backend {
			return readying{b, func(context.Context) error { return nil }}
		}},
	}
}

// readying is a backend with a way of being ready.
type readying struct {
	Backend
	ready func(context.Context) error
}

func (r readying) Ready(ctx context.Context) error { return r.ready(ctx) }

package store

import "context"

// WithSessions returns a store that keeps its sessions in another place, such as
// Redis, and everything else in s. changes tells of the changes of the sessions;
// usually the backend of the sessions does.
//
//	db = store.WithSessions(db, redis.Sessions(), redis)
//
// Watch of that store joins both streams: it is alive while both are, and ends with
// either. Caches that do not depend on sessions watch [MainChanges].
func WithSessions(s Store, sessions Sessions, changes Changes) Store {
	return elsewhere{s, sessions, join(s, changes)}
}

// An elsewhere is a store whose sessions are in another place.
type elsewhere struct {
	Store
	sessions Sessions
	both     Changes
}

func (e elsewhere) Sessions() Sessions { return e.sessions }

func (e elsewhere) Watch(ctx context.Context, w Watcher) error { return e.both.Watch(ctx, w) }

func (e elsewhere) main() Changes { return MainChanges(e.Store) }

// MainChanges returns the stream of s without that of sessions kept elsewhere, so
// that their outage does not affect keys: see [WithSessions].
func MainChanges(s Store) Changes {
	if e, ok := s.(interface{ main() Changes }); ok {
		return e.main()
	}
	return s
}

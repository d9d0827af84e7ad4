package store

import "context"

// WithSessions returns a store that keeps its sessions in another place, such as
// Redis, and everything else in s. changes reports the changes of the sessions. It is
// usually the backend that keeps them.
//
//	db = store.WithSessions(db, redis.Sessions(), redis)
//
// Watch of that store reports the changes of both backends. It is alive while both of
// their watches are, and ends when one of them ends. A cache that does not depend on
// sessions should watch [MainChanges].
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

// MainChanges returns the changes of s without those of sessions that are kept in
// another place (see [WithSessions]), so that an outage there does not affect keys.
func MainChanges(s Store) Changes {
	if e, ok := s.(interface{ main() Changes }); ok {
		return e.main()
	}
	return s
}

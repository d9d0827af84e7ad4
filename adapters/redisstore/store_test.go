package redisstore

import (
	"context"
	"testing"

	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/memory"
	"medtwin.ai/tollgate/store/storetest"
)

// The suite covers, on every kind of Redis, case K11, case K12, case S7 and
// case S9, as far as they are those of sessions.
func TestSessions(t *testing.T) {
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			storetest.RunSessions(t, func(t *testing.T) storetest.SessionBackend { return open(t, b.client(t)) })
		})
	}
}

// mixed keeps its sessions in Redis and all else in another store, as a fleet
// with a SQL database does.
type mixed struct {
	*memory.Store
	redis *Store
}

func (m mixed) Sessions() store.Sessions { return m.redis.Sessions() }

func (m mixed) Watch(ctx context.Context, w store.Watcher) error {
	return store.Join(m.Store, m.redis).Watch(ctx, w)
}

// Two stores behind one stream keep all the rules of one.
// case S11, for users and sessions in two places
func TestMixed(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) storetest.Backend {
		people := must(memory.New(memory.Config{}))(t)
		return mixed{people, open(t, must(alone())(t).Client(t))}
	})
}

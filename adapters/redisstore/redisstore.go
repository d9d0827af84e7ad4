// Package redisstore keeps sessions in Redis or Valkey, and tells every node
// of a fleet what to forget: with one server, under Sentinel, or in a cluster.
// It needs no command newer than Redis 6.2.
//
// # What Redis forgets
//
// Every key has an expiry, so nothing piles up. A Redis that evicts (any
// maxmemory-policy but noeviction) logs people out; it brings no session back,
// for a session counts only while the list of its user's sessions has it. A
// Redis that is full refuses new sessions, and goes on with old ones.
//
// Redis acknowledges a write before its replicas have it, and flushes it to the
// disk as its settings say (appendfsync always: before the answer). So a
// failover or a loss of power may undo what was acknowledged last: a log-in,
// which has to be made again, or a revocation.
//
// A master that was replaced, and does not know it, goes on serving clients that
// do not know it either. They do not hear of what is revoked elsewhere: in a
// cluster for the node time-out at most. The driver asks the cluster for its
// masters with every heartbeat. If no server tells (all time out, or CLUSTER
// SLOTS is forbidden), it goes on with those that it knew, and does not hear of
// what is revoked on a new master until it knows of that.
//
// [Config].Replicas guards against both. Revocations wait for replicas, and so do
// heartbeats: a master that has lost its replicas to another one keeps nothing
// alive, and a client that connects again is led to the other. On the server,
// min-replicas-to-write does the same, but before Redis 7.0 not for scripts.
//
// While a slot of a cluster moves, log-ins and log-outs of its users may fail:
// try them again.
//
// What must not depend on any of that raises the user's epoch, which is kept with
// the users: store.Users.EndSessions does, and so do a new password and a
// suspension.
//
// # Rights
//
// Where Redis has an access-control list, a user needs ~tollgate:* &tollgate:*
// (or whatever [Config].Prefix is; before Redis 7.0 after resetchannels) and
// +@read +@write +@pubsub +@scripting +@connection +time +wait, and in a cluster
// +cluster|slots.
package redisstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/guard"
)

// Config says where the sessions are.
type Config struct {
	// Client is a *redis.Client, also one of NewFailoverClient, or a
	// *redis.ClusterClient. It stays yours to close. It must have
	// ContextTimeoutEnabled, without which a call to a Redis that hangs
	// outlives its context by seconds, and must not read from replicas (also by
	// FailoverOptions.ReplicaOnly), which are behind. Required.
	Client redis.UniversalClient
	// Prefix begins the names of all keys and channels; no braces. Stores with
	// the same one hold the same sessions. "": "tollgate:".
	Prefix string
	// Retention is how long a session is kept after its expiry, so that it is
	// known to have ended and not unknown. 0: a week.
	Retention time.Duration
	// Replicas must have a revocation before it is acknowledged, and a heartbeat
	// before it counts: more of them than a master may keep that was replaced, so
	// 1 where there is one. Where fewer have it within a second, a revocation is
	// an error, and to be tried again; and the stream of changes is down.
	// 0: a failover may undo the last revocations.
	Replicas int
	// Heartbeat is how often Watch proves that the stream of changes is alive.
	// One that is not heard within ten of them ends Watch. At most 6 s. 0: one
	// second.
	Heartbeat time.Duration
}

// A Store keeps sessions in Redis. It is safe for concurrent use.
type Store struct {
	client  redis.UniversalClient
	single  *redis.Client        // client, where it is one
	cluster *redis.ClusterClient // likewise

	names     names
	retention time.Duration
	replicas  int
	heartbeat time.Duration
}

// New returns a store on the client given. It does not ask Redis anything; see
// Ready.
func New(c Config) (*Store, error) {
	s := &Store{
		client: c.Client, names: names(cmp.Or(c.Prefix, "tollgate:")), replicas: c.Replicas,
		retention: cmp.Or(c.Retention, 7*24*time.Hour), heartbeat: cmp.Or(c.Heartbeat, time.Second),
	}
	var errs []error
	require := func(ok bool, text string) {
		if !ok {
			errs = append(errs, errors.New("redisstore: "+text))
		}
	}
	require(!strings.ContainsAny(c.Prefix, "{}"), "Prefix has braces, which would decide where in a cluster its keys are")
	require(c.Retention >= 0, fmt.Sprintf("Retention is %v, want more than 0", c.Retention))
	require(c.Replicas >= 0, fmt.Sprintf("Replicas is %d, want 0 or more", c.Replicas))
	require(c.Heartbeat >= 0 && c.Heartbeat <= witnessed/missedBeats,
		fmt.Sprintf("Heartbeat is %v, want more than 0 and at most %v", c.Heartbeat, witnessed/missedBeats))
	const heed = "Client does not heed contexts: set ContextTimeoutEnabled"
	switch client := c.Client.(type) {
	case nil:
		require(false, "Client is required")
	case *redis.Client:
		s.single = client
		require(client.Options().ContextTimeoutEnabled, heed)
	case *redis.ClusterClient:
		s.cluster = client
		o := client.Options()
		require(o.ContextTimeoutEnabled, heed)
		require(!o.ReadOnly && !o.RouteByLatency && !o.RouteRandomly,
			"Client reads from replicas, which are behind: unset ReadOnly, RouteByLatency and RouteRandomly")
	default:
		require(false, fmt.Sprintf("Client is a %T, want *redis.Client or *redis.ClusterClient", client))
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return s, nil
}

// Sessions returns the sessions.
func (s *Store) Sessions() store.Sessions { return guard.Sessions(sessions{s}) }

// Ready returns why the store could not do its work now, or nil: every master
// is reached, takes a write that needs memory, of a key that is gone a second
// later, and a message on a channel that nobody listens to.
func (s *Store) Ready(ctx context.Context) error {
	masters, err := s.masters(ctx)
	for _, m := range masters {
		if err != nil {
			break
		}
		if err = m.node.Set(ctx, s.names.ready(m.witness), "1", time.Second).Err(); err != nil {
			err = fmt.Errorf("it takes no writes: %w", err)
		} else if err = m.node.Publish(ctx, s.names.beat("ready"), "").Err(); err != nil {
			err = fmt.Errorf("it takes no messages: %w", err)
		}
	}
	if err != nil {
		return fmt.Errorf("redisstore: %w", err)
	}
	return nil
}

// Publish tells the watches of all nodes that something about these ids has
// changed in another store, one that has no stream of changes of its own.
//
// Call it after the commit. A process that dies in between has told nobody, and
// the caches believe what they know for as long as the stream lives. If the other
// store can tell of its changes itself, use store.WithSessions.
func (s *Store) Publish(ctx context.Context, ids ...string) error {
	masters, err := s.masters(ctx)
	if err == nil {
		_, _, err = s.say(ctx, masters[0], s.names.changes(), ids...)
	}
	if err != nil {
		return fmt.Errorf("redisstore: publish: %w", err)
	}
	return nil
}

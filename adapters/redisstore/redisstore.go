// Package redisstore keeps sessions in Redis or Valkey, and publishes their changes to
// every node of a fleet. Redis may be one server, under Sentinel, or a cluster. It needs
// no command newer than Redis 6.2.
//
// # What Redis forgets
//
// Every key has an expiry, so the database does not grow without end. A Redis that evicts
// keys (any maxmemory-policy except noeviction) logs users out. It never brings a session
// back, because a session is valid only while the list of its user contains it. A Redis
// that is full refuses new sessions and still serves the old ones.
//
// Redis acknowledges a write before its replicas have it, and flushes it to the disk
// according to its settings (appendfsync always: before the answer). So a failover or a
// loss of power may undo the last writes that were acknowledged. If that was a login, the
// user logs in again. If it was a revocation, the session is valid again.
//
// A master that was replaced but does not know it goes on serving clients that do not know
// it either. These clients do not hear of revocations on the new master. In a cluster this
// takes at most the node time-out. The driver asks the cluster for its masters with every
// heartbeat. If no server answers (all time out, or CLUSTER SLOTS is forbidden), it goes
// on with the masters that it knows, and does not hear of revocations on a new one.
//
// [Config].Replicas prevents both. Revocations and heartbeats then wait for replicas. A
// master that has lost its replicas can confirm no heartbeat, and a client that connects
// again finds the new master. The setting min-replicas-to-write of the server does the
// same, but not for scripts before Redis 7.0.
//
// While a slot of a cluster moves, logins and logouts of its users may fail. Try them
// again.
//
// To end sessions whatever happens to Redis, raise the user's epoch, which is kept with
// the users: by store.Users.EndSessions, a new password or a suspension.
//
// # Rights
//
// If Redis has access-control lists, its user needs ~tollgate:* &tollgate:* (with
// [Config].Prefix in place of tollgate: if it is set; before Redis 7.0 after
// resetchannels) and +@read +@write +@pubsub +@scripting +@connection +time +wait, and in
// a cluster also +cluster|slots.
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

// Config says where the sessions are and how they are kept.
type Config struct {
	// Client is a *redis.Client, perhaps of NewFailoverClient, or a
	// *redis.ClusterClient. The caller closes it. Its option ContextTimeoutEnabled
	// must be set, because a call to a Redis that hangs would otherwise return seconds
	// after the end of its context. It must not read from replicas (as with
	// FailoverOptions.ReplicaOnly), because they are behind. Required.
	Client redis.UniversalClient
	// Prefix begins the names of all keys and channels. It has no braces. Stores with
	// the same prefix have the same sessions. Default: "tollgate:".
	Prefix string
	// Retention is how long a session is kept after its expiry, so that it is refused
	// as expired and not as unknown. Default: a week.
	Retention time.Duration
	// Replicas is how many replicas must have a revocation before it is acknowledged,
	// and a heartbeat before it counts. It must be more than a replaced master can
	// keep: 1 if there is one replica. If fewer have it within a second, a revocation
	// returns an error and has to be tried again, and the stream of changes is down.
	// Default: 0, so that a failover may undo the last revocations.
	Replicas int
	// Heartbeat is how often Watch proves that it still hears of changes. Watch ends
	// if a heartbeat is not heard within the time of ten. At most 6 s. Default: one
	// second.
	Heartbeat time.Duration
}

// A Store keeps sessions in Redis. It is safe for concurrent use.
type Store struct {
	client  redis.UniversalClient
	single  *redis.Client        // client, if it is one of these
	cluster *redis.ClusterClient // likewise

	names     names
	retention time.Duration
	replicas  int
	heartbeat time.Duration
}

// New returns a store. It sends nothing to Redis; see Ready.
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

// Ready returns nil if the store can work now: every master answers, takes a write that
// needs memory, of a key that expires after a second, and a message on a channel that
// nobody listens to. Otherwise it returns the reason.
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

// Publish tells the watches of all nodes that the records with these ids have changed in
// another store, which cannot publish changes itself.
//
// Call it after the commit. If the process ends in between, nobody is told, and caches
// keep their entries as long as the stream is alive. If the other store publishes its
// changes, use store.WithSessions instead.
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

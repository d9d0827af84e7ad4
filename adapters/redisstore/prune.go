package redisstore

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"medtwin.ai/tollgate/store"
)

// Prune reads the lists of sessions of all users until it has deleted most sessions. It is
// not needed, because Redis deletes expired sessions by itself.
func (v sessions) Prune(ctx context.Context, before time.Time, most int) (int, error) {
	p := pruning{sessions: v, before: before, left: most}
	prune := p.node
	var err error
	if v.s.cluster != nil {
		err = v.s.cluster.ForEachMaster(ctx, prune)
	} else {
		err = prune(ctx, v.s.single)
	}
	if err != nil {
		return p.total, failed("prune sessions", err)
	}
	return p.total, nil
}

// A pruning is one call of Prune, which works on all servers of a cluster at once.
type pruning struct {
	sessions
	before time.Time

	mu          sync.Mutex
	left, total int
}

// take reports whether one more session may be deleted.
func (p *pruning) take() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left == 0 {
		return false
	}
	p.left--
	return true
}

// gone records how many sessions were deleted.
func (p *pruning) gone(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.total += n
}

// node prunes the lists of one server. SCAN may return a list twice.
func (p *pruning) node(ctx context.Context, node *redis.Client) error {
	for cursor := uint64(0); ; {
		lists, next, err := node.Scan(ctx, cursor, p.s.names.lists(), 1000).Result()
		if err != nil {
			return err
		}
		for _, list := range lists {
			user, err := p.s.names.user(list)
			if err != nil {
				continue // of another store, whose prefix begins with this one
			}
			n, err := p.user(ctx, user)
			if p.gone(n); err != nil {
				return err
			}
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

func (p *pruning) user(ctx context.Context, user string) (int, error) {
	ids, err := p.ids(ctx, user)
	if err != nil {
		return 0, err
	}
	all, err := p.readAll(ctx, user, ids)
	if err != nil {
		return 0, err
	}
	var calls []call
	var old []store.Session
	for _, o := range all {
		if !past(o.Expires, p.before) && !past(o.Revoked, p.before) || !p.take() {
			continue
		}
		old = append(old, o)
		calls = append(calls, call{
			[]string{p.s.names.session(user, o.ID), p.s.names.sessions(user)}, []any{p.s.names.changes(), o.ID},
		})
	}
	if len(old) == 0 {
		return 0, nil
	}
	// The pointers are deleted first, so that the session is no longer found. If the
	// process ends before it deletes the record, the next call does.
	pipe := p.s.client.Pipeline()
	for _, o := range old {
		pipe.Del(ctx, p.s.names.id(o.ID))
		pipe.Del(ctx, p.s.names.digest(o.Digest))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return 0, err
	}
	return p.s.runAll(ctx, drop, calls)
}

// past reports whether end is a time before the given one.
func past(end, before time.Time) bool { return !end.IsZero() && end.Before(before) }

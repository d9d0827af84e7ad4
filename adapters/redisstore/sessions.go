package redisstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

// mostListed is how many sessions List returns.
const mostListed = 1000

type sessions struct{ s *Store }

// failed returns err with the call that failed. Only this package returns the errors of
// package store, never Redis.
func failed(what string, err error) error { return fmt.Errorf("redisstore: %s: %w", what, err) }

func (v sessions) Find(ctx context.Context, d keyfmt.Digest) (store.Session, error) {
	where, err := v.s.client.Get(ctx, v.s.names.digest(d)).Result()
	if errors.Is(err, redis.Nil) {
		return store.Session{}, store.ErrNotFound
	}
	if err != nil {
		return store.Session{}, failed("find session", err)
	}
	user, id, err := cutCounted(where)
	if err != nil {
		return store.Session{}, failed("find session", err)
	}
	o, ok, err := v.read(ctx, user, id)
	switch {
	case err != nil:
		return store.Session{}, failed("find session", err)
	case !ok || o.Digest != d: // the pointer of a Create that has not finished
		return store.Session{}, store.ErrNotFound
	}
	return o, nil
}

// read returns a session if it exists and the list of its user contains it. So a session
// that RevokeAll would miss is not valid.
func (v sessions) read(ctx context.Context, user, id string) (o store.Session, ok bool, err error) {
	pipe := v.s.client.Pipeline()
	record := pipe.HMGet(ctx, v.s.names.session(user, id), fields...)
	listed := pipe.ZScore(ctx, v.s.names.sessions(user), id)
	if err := send(ctx, pipe); err != nil {
		return o, false, err
	}
	values, err := record.Result()
	if err != nil {
		return o, false, err
	}
	switch _, err := listed.Result(); {
	case errors.Is(err, redis.Nil):
		return o, false, nil
	case err != nil:
		return o, false, err
	}
	return decode(id, values)
}

// Create first writes two pointers, from the id and from the digest, which may be on
// different servers. Then it writes the record and the list of its user atomically. A
// process that ends in between leaves pointers to nothing.
func (v sessions) Create(ctx context.Context, o store.Session) error {
	life := v.s.life(o)
	for _, pointer := range []struct{ key, to string }{
		{v.s.names.id(o.ID), o.User},
		{v.s.names.digest(o.Digest), counted(o.User) + o.ID},
	} {
		if err := v.point(ctx, pointer.key, pointer.to, life); err != nil {
			return err
		}
	}
	args := append([]any{life.Milliseconds(), v.s.names.changes(), o.ID, "call", rand.Text()}, encode(o)...)
	keys := []string{v.s.names.session(o.User, o.ID), v.s.names.sessions(o.User)}
	made, err := create.Run(ctx, v.s.client, keys, args...).Int()
	switch {
	case err != nil:
		return failed("create session", err)
	case made == 0:
		return store.ErrConflict
	}
	return nil
}

// point makes a pointer. If it exists and has another target, the id or digest is taken.
// If it has the same target, an earlier try or a pruned session has left it, and Create
// finds out whether the target exists.
func (v sessions) point(ctx context.Context, key, to string, life time.Duration) error {
	made, err := v.s.client.SetNX(ctx, key, to, life).Result()
	if err != nil {
		return failed("create session", err)
	}
	if made {
		return nil
	}
	was, err := v.s.client.GetEx(ctx, key, life).Result()
	switch {
	case err != nil && !errors.Is(err, redis.Nil):
		return failed("create session", err)
	case err != nil || was != to:
		return store.ErrConflict
	}
	return nil
}

func (v sessions) Touch(ctx context.Context, uses []store.Use) error {
	for chunk := range slices.Chunk(uses, mostCalls) {
		if err := v.touch(ctx, chunk); err != nil {
			return failed("touch", err)
		}
	}
	return nil
}

func (v sessions) touch(ctx context.Context, uses []store.Use) error {
	pipe := v.s.client.Pipeline()
	users := make([]*redis.StringCmd, len(uses))
	for i, u := range uses {
		users[i] = pipe.Get(ctx, v.s.names.id(u.ID))
	}
	if err := send(ctx, pipe); err != nil {
		return err
	}
	var calls []call
	for i, u := range uses {
		user, err := users[i].Result()
		switch {
		case errors.Is(err, redis.Nil) || u.At.IsZero():
			continue
		case err != nil:
			return err
		}
		calls = append(calls, call{[]string{v.s.names.session(user, u.ID)}, []any{micros(u.At)}})
	}
	_, err := v.s.runAll(ctx, touch, calls)
	return err
}

func (v sessions) Get(ctx context.Context, user, id string) (store.Session, error) {
	o, ok, err := v.read(ctx, user, id)
	switch {
	case err != nil:
		return store.Session{}, failed("get session", err)
	case !ok:
		return store.Session{}, store.ErrNotFound
	}
	return o, nil
}

func (v sessions) List(ctx context.Context, user string) ([]store.Session, error) {
	ids, err := v.ids(ctx, user)
	if err != nil {
		return nil, failed("list sessions", err)
	}
	slices.Sort(ids)
	slices.Reverse(ids)
	var list []store.Session
	for chunk := range slices.Chunk(ids, mostCalls) {
		some, err := v.readAll(ctx, user, chunk)
		if err != nil {
			return nil, failed("list sessions", err)
		}
		if list = append(list, some...); len(list) >= mostListed {
			return list[:mostListed], nil
		}
	}
	return list, nil
}

// ids returns the ids of the sessions of a user, in no order.
func (v sessions) ids(ctx context.Context, user string) ([]string, error) {
	return v.s.client.ZRange(ctx, v.s.names.sessions(user), 0, -1).Result()
}

// readAll returns the sessions that Redis has not deleted yet.
func (v sessions) readAll(ctx context.Context, user string, ids []string) ([]store.Session, error) {
	pipe := v.s.client.Pipeline()
	records := make([]*redis.SliceCmd, len(ids))
	for i, id := range ids {
		records[i] = pipe.HMGet(ctx, v.s.names.session(user, id), fields...)
	}
	if err := send(ctx, pipe); err != nil {
		return nil, err
	}
	var list []store.Session
	for i, id := range ids {
		values, err := records[i].Result()
		if err != nil {
			return nil, err
		}
		o, ok, err := decode(id, values)
		if err != nil {
			return nil, err
		}
		if ok {
			list = append(list, o)
		}
	}
	return list, nil
}

func (v sessions) Revoke(ctx context.Context, user, id string, now time.Time) error {
	ended, err := v.revoke(ctx, user, []string{id}, now)
	switch {
	case err != nil:
		return failed("revoke session", err)
	case ended[0] < 0:
		return store.ErrNotFound
	}
	return nil
}

// RevokeAll does not count sessions that it has ended in a first try whose answer was
// lost.
func (v sessions) RevokeAll(ctx context.Context, user, but string, now time.Time) (n int, err error) {
	ids, err := v.ids(ctx, user)
	if err != nil {
		return 0, failed("revoke sessions", err)
	}
	ids = slices.DeleteFunc(ids, func(id string) bool { return id == but })
	for chunk := range slices.Chunk(ids, mostCalls) {
		ended, err := v.revoke(ctx, user, chunk, now)
		if err != nil {
			return n, failed("revoke sessions", err)
		}
		for _, e := range ended {
			n += int(max(0, e))
		}
	}
	return n, nil
}

func (v sessions) revoke(ctx context.Context, user string, ids []string, now time.Time) ([]int64, error) {
	c := call{args: []any{micros(now), v.s.names.changes(), v.s.replicas}}
	for _, id := range ids {
		c.keys, c.args = append(c.keys, v.s.names.session(user, id)), append(c.args, id)
	}
	ended, err := v.s.lasting(ctx, c)
	if err == nil && len(ended) != len(ids) {
		err = fmt.Errorf("%d answers about %d sessions", len(ended), len(ids))
	}
	return ended, err
}

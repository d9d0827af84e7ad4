package pgstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"medtwin.ai/tollgate/store"
)

const (
	missedBeats = 10               // a heartbeat that is not back after so many others ends the watch
	dialTimeout = 10 * time.Second // how long it may take to make the connections of a watch
)

var errElsewhere = errors.New("what Listen gives leads to another database: what is notified where the records are is not heard there")

var errDeaf = errors.New("a notification did not come back in time: " +
	"the database hangs, or Listen goes through a pooler in transaction mode")

// Watch reports changes to w until ctx ends, whether this store, another process or SQL
// by hand has made them. It returns an error if it cannot go on; the next Watch begins
// with Gap. It keeps two connections of its own.
func (s *Store) Watch(ctx context.Context, w store.Watcher) error {
	err := s.watch(ctx, w)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("pgstore: watch: %w", err)
}

func (s *Store) watch(ctx context.Context, w store.Watcher) error {
	t, err := s.tune(ctx, w)
	if err != nil {
		return err
	}
	defer t.hangUp()
	ctx, stop := context.WithCancelCause(ctx)
	var beating sync.WaitGroup
	beating.Go(func() { stop(t.beat(ctx)) })
	stop(t.listen(ctx))
	beating.Wait()
	return context.Cause(ctx)
}

// A stream is a watch that has begun. What the sender sends must come back on the
// listener, because only that proves that the changes of others arrive. A single
// connection would prove nothing: a pooler may return its own notifications to it, and
// no others.
type stream struct {
	w                store.Watcher
	listener, sender *pgx.Conn
	heartbeat        time.Duration
	beatTimeout      time.Duration // how long a heartbeat may take to come back
	channel          string        // of the heartbeats of this stream alone
	heard            chan struct{}
}

// tune connects and listens. Postgres reports every change after it returns.
func (s *Store) tune(ctx context.Context, w store.Watcher) (_ *stream, err error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	t := &stream{
		w: w, heartbeat: s.heartbeat, beatTimeout: s.beatTimeout,
		channel: "tollgate_heartbeat_" + rand.Text(), heard: make(chan struct{}, 1),
	}
	defer func() {
		if err != nil {
			t.hangUp()
		}
	}()
	if t.listener, err = s.dial(ctx, s.listen); err != nil {
		return nil, err
	}
	if t.sender, err = s.dial(ctx, s.listen); err != nil {
		return nil, err
	}
	// The listener may send nothing for days. A limit that the operator has set for
	// idle sessions is not meant for it.
	const stay = `SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout'`
	if _, err = t.listener.Exec(ctx, stay); err != nil {
		return nil, err
	}
	for _, channel := range []string{s.schema.name, t.channel} {
		if _, err = t.listener.Exec(ctx, "LISTEN "+pgx.Identifier{channel}.Sanitize()); err != nil {
			return nil, err
		}
	}
	if s.elsewhere {
		err = t.same(ctx, s)
	}
	return t, err
}

// same returns an error if the listener is not connected to the database of the pool.
// It would hear its own heartbeats there, but no change.
func (t *stream) same(ctx context.Context, s *Store) error {
	ctx, cancel := context.WithTimeoutCause(ctx, t.beatTimeout, errElsewhere)
	defer cancel()
	_, err := s.pool.Exec(ctx, `SELECT pg_notify($1, '')`, t.channel)
	for heard := false; err == nil && !heard; {
		var n *pgconn.Notification
		if n, err = t.listener.WaitForNotification(ctx); err == nil {
			heard = n.Channel == t.channel
		}
	}
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// listen reports what it hears. The first heartbeat shows that the stream works. Changes
// before that need no report, because Gap includes them.
func (t *stream) listen(ctx context.Context) error {
	for up := false; ; {
		n, err := t.listener.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		switch {
		case n.Channel == t.channel:
			if !up {
				t.w.Gap()
				up = true
			}
			select {
			case t.heard <- struct{}{}:
			default: // of another program
			}
		case !up:
		case n.Payload == "": // a table was emptied, or the schema migrated
			t.w.Gap()
		default:
			t.w.Forget(n.Payload)
		}
	}
}

// beat sends heartbeats, one at a time. Notifications arrive in the order of their
// commits. So when a heartbeat is back, every change that was committed before it was
// sent has been reported.
func (t *stream) beat(ctx context.Context) error {
	tick := time.NewTicker(t.heartbeat)
	defer tick.Stop()
	for {
		at := time.Now()
		if err := t.echo(ctx); err != nil {
			return err
		}
		t.w.Alive(at)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// echo sends a heartbeat and waits until it is heard.
func (t *stream) echo(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, t.beatTimeout, errDeaf)
	defer cancel()
	if _, err := t.sender.Exec(ctx, `SELECT pg_notify($1, '')`, t.channel); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return err
	}
	select {
	case <-t.heard:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (t *stream) hangUp() {
	for _, c := range []*pgx.Conn{t.listener, t.sender} {
		if c != nil {
			hangUp(c)
		}
	}
}

// dial makes a connection outside the pool.
func (s *Store) dial(ctx context.Context, config *pgx.ConnConfig) (*pgx.Conn, error) {
	config = config.Copy()
	config.OnNotification = nil // which would receive the notifications
	if s.before != nil {
		if err := s.before(ctx, config); err != nil {
			return nil, err
		}
	}
	return pgx.ConnectConfig(ctx, config)
}

// hangUp closes a connection that may be broken.
func hangUp(c *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = c.Close(ctx) // closed, even with an error
}

package redisstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"medtwin.ai/tollgate/store"
)

// missedBeats is the number of heartbeats after which one that is not back ends the
// watch.
const missedBeats = 10

var (
	errDeaf  = errors.New("a message did not come back in time: Redis hangs, or cannot be reached")
	errMoved = errors.New("the masters are others than before")
	errAway  = errors.New("the subscription is not at the master")
)

// Watch reports changes to w until ctx ends, whether this store or another one with the
// same prefix has made them. It returns an error if it cannot go on; the next Watch begins
// with Gap. It keeps a connection of its own to every master.
//
// An empty message on the channel of changes ("tollgate:changes") is a Gap. Send one after
// changes by hand. Watch notices by itself that the database was emptied.
func (s *Store) Watch(ctx context.Context, w store.Watcher) error {
	err := s.watch(ctx, w)
	if late(ctx) {
		return ctx.Err()
	}
	return fmt.Errorf("redisstore: watch: %w", err)
}

// late reports whether ctx has ended, or its deadline has passed: a connection may notice
// that before ctx does.
func late(ctx context.Context) bool {
	if d, ok := ctx.Deadline(); ok && !time.Now().Before(d) {
		<-ctx.Done()
	}
	return ctx.Err() != nil
}

func (s *Store) watch(ctx context.Context, w store.Watcher) error {
	t := &stream{store: s, w: w}
	defer t.hangUp()
	if err := t.tune(ctx); err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	var listening sync.WaitGroup
	for _, l := range t.listeners {
		listening.Go(func() { stop(l.listen(ctx)) })
	}
	stop(t.beat(ctx))
	t.hangUp() // which ends listen
	listening.Wait()
	return context.Cause(ctx)
}

// A stream is a watch that has begun. It has a listener at every master, because only a
// connection to the server where a message is published is certain to receive it. The
// servers of a cluster pass messages on to each other, and may lose one without notice. A
// message that is passed on is heard twice.
type stream struct {
	store     *Store
	listeners []*listener

	w store.Watcher

	mu sync.Mutex // makes the first Gap come before the reports of the listeners
	up bool       // whether the first Gap was called
}

// A listener is a subscription at one master. A heartbeat that is published there must
// come back, because only that proves that the changes of others arrive. A connection that
// answers pings may still receive no message.
type listener struct {
	stream *stream
	master master
	beat   string // channel of the heartbeats of this listener alone
	sub    *redis.PubSub

	witness string // its value at the last heartbeat

	mu    sync.Mutex
	await string        // the heartbeat that is not back yet, or ""
	heard chan struct{} // closed when it is heard
}

// tune subscribes. Redis reports every change after it returns.
func (t *stream) tune(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, missedBeats*t.store.heartbeat, errDeaf)
	defer cancel()
	defer func() {
		if err != nil && late(ctx) {
			err = context.Cause(ctx)
		}
	}()
	masters, err := t.store.masters(ctx)
	if err != nil {
		return err
	}
	for _, m := range masters {
		l := &listener{stream: t, master: m, beat: t.store.names.beat(rand.Text())}
		channels := []string{t.store.names.changes(), l.beat}
		l.sub = m.node.Subscribe(ctx, channels...)
		t.listeners = append(t.listeners, l)
		if err := l.waitSubscribed(ctx, len(channels)); err != nil {
			return err
		}
		if l.witness, err = m.plant(ctx); err != nil {
			return err
		}
	}
	return nil
}

// waitSubscribed waits for the subscriptions of so many channels, until ctx ends. The
// driver ignores ctx, so the subscription is closed to stop it.
func (l *listener) waitSubscribed(ctx context.Context, channels int) error {
	defer context.AfterFunc(ctx, func() { _ = l.sub.Close() })()
	for range channels {
		got, err := l.sub.Receive(ctx)
		if err != nil {
			return err
		}
		if s, ok := got.(*redis.Subscription); !ok || s.Kind != "subscribe" {
			return fmt.Errorf("an answer to SUBSCRIBE is %v", got)
		}
	}
	return nil
}

// beat sends heartbeats, one at a time. A master does one thing after the other. So when a
// heartbeat is back, every change that was made there before it was sent has been
// reported.
func (t *stream) beat(ctx context.Context) error {
	tick := time.NewTicker(t.store.heartbeat)
	defer tick.Stop()
	for first := true; ; first = false {
		at := time.Now()
		emptied, err := t.echo(ctx)
		if err != nil {
			return err
		}
		if first || emptied {
			t.gap(first)
		}
		if !emptied { // otherwise no write is proven
			t.w.Alive(at)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// echo sends a heartbeat to every master and waits until all are heard. It reports whether
// one of the databases was emptied since the last call.
func (t *stream) echo(ctx context.Context) (emptied bool, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, missedBeats*t.store.heartbeat, errDeaf)
	defer cancel()
	defer func() {
		if err != nil && late(ctx) {
			err = context.Cause(ctx)
		}
	}()
	if err := t.moved(ctx); err != nil {
		return false, err
	}
	errs, gone := make([]error, len(t.listeners)), make([]bool, len(t.listeners))
	var waiting sync.WaitGroup
	for i, l := range t.listeners {
		waiting.Go(func() { gone[i], errs[i] = l.echo(ctx) })
	}
	waiting.Wait()
	for _, g := range gone {
		emptied = emptied || g
	}
	return emptied, errors.Join(errs...)
}

// moved returns an error if the cluster has a master that the stream does not
// listen to.
func (t *stream) moved(ctx context.Context) error {
	if t.store.cluster == nil {
		return nil
	}
	masters, err := t.store.masters(ctx)
	if err != nil {
		return err
	}
	have := make(map[*redis.Client]bool)
	for _, l := range t.listeners {
		have[l.master.node] = true
	}
	for _, m := range masters {
		if !have[m.node] {
			return errMoved
		}
	}
	return nil
}

func (l *listener) echo(ctx context.Context) (emptied bool, err error) {
	nonce, heard := rand.Text(), make(chan struct{})
	l.mu.Lock()
	l.await, l.heard = nonce, heard
	l.mu.Unlock()
	witness, receivers, err := l.stream.store.say(ctx, l.master, l.beat, nonce)
	switch {
	case err != nil:
		return false, err
	case receivers == 0:
		return false, errAway
	case witness == "":
		if witness, err = l.master.plant(ctx); err != nil {
			return false, err
		}
	}
	emptied, l.witness = witness != l.witness, witness
	select {
	case <-heard:
		return emptied, nil
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
}

// listen reports what it hears.
func (l *listener) listen(ctx context.Context) error {
	for {
		got, err := l.sub.Receive(ctx)
		if err != nil {
			return err
		}
		m, ok := got.(*redis.Message)
		switch {
		case !ok: // the driver has subscribed again, on another connection
			return fmt.Errorf("the subscription was lost: %v", got)
		case m.Channel == l.beat:
			l.hear(m.Payload)
		case m.Payload == "":
			l.stream.gap(false)
		default:
			l.stream.forget(m.Payload)
		}
	}
}

func (l *listener) hear(nonce string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if nonce != "" && nonce == l.await { // the driver may send it twice, and others may send any text
		l.await = ""
		close(l.heard)
	}
}

// gap and forget ignore what comes before the first Gap, which includes it.
func (t *stream) gap(first bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.up = t.up || first; t.up {
		t.w.Gap()
	}
}

func (t *stream) forget(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.up {
		t.w.Forget(id)
	}
}

func (t *stream) hangUp() {
	for _, l := range t.listeners {
		_ = l.sub.Close() // closed, even with an error
	}
}

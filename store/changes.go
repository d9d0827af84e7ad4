package store

import (
	"context"
	"time"
)

// Changes tells caches what to forget, on every node.
type Changes interface {
	// Watch reports changes to w until ctx ends, and returns ctx's error then
	// or the reason it could not go on. It calls Gap once it is sure to hear of
	// every change committed from then on, and does not call Alive before that. It
	// may report changes that it hears of earlier.
	Watch(ctx context.Context, w Watcher) error
}

// A Watcher hears of changes. Its methods do not block and may be called
// from any goroutine.
type Watcher interface {
	// Forget: something about this key, session, user or account has changed,
	// and the change is committed.
	Forget(id string)
	// Alive: every change committed before at has been reported. at is a
	// reading of the local clock.
	Alive(at time.Time)
	// Gap: changes may have been missed; forget everything. The first one of a
	// watch says only that. A later one says that something unknown has changed.
	Gap()
}

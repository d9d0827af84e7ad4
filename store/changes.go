package store

import (
	"context"
	"time"
)

// Changes reports changes of the store to caches, on every node.
type Changes interface {
	// Watch reports changes to w until ctx ends, and then returns ctx's error. If it
	// cannot go on before that, it returns the reason.
	//
	// It calls Gap as soon as it will hear of every change that is committed from
	// then on. It does not call Alive before that, but may call Forget.
	Watch(ctx context.Context, w Watcher) error
}

// A Watcher receives the changes. Its methods must not block, and are called from any
// goroutine.
type Watcher interface {
	// Forget says that a change of this key, session, user or account has been
	// committed.
	Forget(id string)
	// Alive says that every change that was committed before at has been reported.
	// at is a reading of the local clock.
	Alive(at time.Time)
	// Gap says that changes may have been missed, so that everything has to be
	// forgotten. The first Gap of a watch means nothing else. A later one means that
	// something has changed and that it is not known what.
	Gap()
}

// Package watch lets tests hear what is decided about a request, to find what a
// handler forgets. Production code pays one atomic load for it.
package watch

import (
	"context"
	"net/http"
	"sync/atomic"
)

// A Watcher hears of one request and of the requests that its handler makes.
// Handlers may call from several goroutines at once.
type Watcher interface {
	// Admitted: a request meets the need of an endpoint, whose handler has
	// promised to check resources of these kinds. access tells requests apart.
	Admitted(access any, endpoint string, promised []string)
	// Checked: the handler has checked resources of a kind, or filtered by them.
	Checked(access any, kind string)
	// Refused: an error has been written to w as the answer.
	Refused(w http.ResponseWriter)
}

type key struct{}

// used is whether any test of this process has a watcher.
var used atomic.Bool

// With returns a context whose requests w hears of.
func With(ctx context.Context, w Watcher) context.Context {
	used.Store(true)
	return context.WithValue(ctx, key{}, w)
}

// From returns the watcher of ctx, or nil.
func From(ctx context.Context) Watcher {
	if !used.Load() {
		return nil
	}
	w, _ := ctx.Value(key{}).(Watcher)
	return w
}

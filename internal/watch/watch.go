// Package watch tells tests what is decided about a request, so that they can
// find what a handler forgets. It costs production code one atomic load.
package watch

import (
	"context"
	"net/http"
	"sync/atomic"
)

// A Watcher is told about one request, and about the requests that its handler
// makes. A handler may call from several goroutines at once.
type Watcher interface {
	// Admitted says that a request meets the need of an endpoint, whose handler
	// has promised to check resources of these kinds. access identifies the
	// request.
	Admitted(access any, endpoint string, promised []string)
	// Checked says that the handler has checked resources of a kind, or has
	// filtered by them.
	Checked(access any, kind string)
	// Refused says that an error has been written to w as the answer.
	Refused(w http.ResponseWriter)
}

type key struct{}

// used reports whether any test of this process has a watcher.
var used atomic.Bool

// With returns a context whose requests w is told about.
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

// Package loglimit bounds the lines that refused requests write to a log, so
// that a flood of bad requests is not also a flood of log lines.
package loglimit

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// perSecond is how many lines a Log writes at their own level in one second.
const perSecond = 10

// A Log writes at most ten lines in a second. It writes the others at debug
// level, so that an operator who asks for them misses none. It counts them, and
// the next line has their number as "dropped". A Log is safe for concurrent
// use.
type Log struct {
	Logger *slog.Logger // required

	mu      sync.Mutex
	second  int64
	written int
	dropped int
}

// Write writes one line. attrs must not contain a secret.
func (l *Log) Write(ctx context.Context, now time.Time, level slog.Level, text string, attrs ...slog.Attr) {
	if !l.Logger.Enabled(ctx, level) {
		return
	}
	dropped, ok := l.admit(now)
	if !ok {
		l.Logger.LogAttrs(ctx, slog.LevelDebug, text, attrs...)
		return
	}
	l.Logger.LogAttrs(ctx, level, text, append(attrs, slog.Int("dropped", dropped))...)
}

// admit reports whether another line may be written in this second, and returns
// how many were not since the last one that was.
func (l *Log) admit(now time.Time) (dropped int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := now.Unix(); s != l.second {
		l.second, l.written = s, 0
	}
	if l.written >= perSecond {
		l.dropped++
		return 0, false
	}
	l.written++
	dropped, l.dropped = l.dropped, 0
	return dropped, true
}

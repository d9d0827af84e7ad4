// Package loglimit bounds the lines that refused requests write to a log, so
// that a flood of bad requests is not a flood of log lines as well.
package loglimit

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// perSecond is how many lines a Log writes at their own level in one second.
const perSecond = 10

// A Log writes at most ten lines a second. The others are written at debug
// level, so that an operator who asks for them misses none, and counted: the
// next line has their number as "dropped". Safe for concurrent use.
type Log struct {
	Logger *slog.Logger // required

	mu      sync.Mutex
	second  int64
	written int
	dropped int
}

// Write writes one line. Attrs must hold no secret.
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

package loglimit

import (
	"log/slog"
	"strings"
	"testing"
	"time"
)

// Ten lines a second are written as they are and the others at debug level, of
// which the next line has the number.
func TestLog(t *testing.T) {
	now := time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name        string
		level       slog.Level
		first, next int // lines of the first second, and of the next
		last        string
	}{
		{"info", slog.LevelInfo, 10, 1, "dropped=15"},
		{"debug", slog.LevelDebug, 25, 1, "dropped=15"},
		{"error", slog.LevelError, 0, 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			l := &Log{Logger: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: tt.level}))}
			for range 25 {
				l.Write(t.Context(), now, slog.LevelInfo, "refused")
			}
			if got := strings.Count(out.String(), "msg=refused"); got != tt.first {
				t.Errorf("got %d lines of 25 in a second, want %d", got, tt.first)
			}
			out.Reset()
			l.Write(t.Context(), now.Add(time.Second), slog.LevelInfo, "refused")
			if got := strings.Count(out.String(), "msg=refused"); got != tt.next || !strings.Contains(out.String(), tt.last) {
				t.Errorf("got %q in the next second, want %d lines with %q", &out, tt.next, tt.last)
			}
		})
	}
}

package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// Readiness names what is missing and leaves the reason to the log, which has
// it once; the dependencies are asked once a second, however many ask.
func TestReady(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	asked := 0
	var down error
	var log bytes.Buffer
	s := &server{readiness: newReadiness([]dependency{
		{"database", func(context.Context) error { asked++; return nil }},
		{"redis", func(context.Context) error { return down }},
	}, slog.New(slog.NewTextHandler(&log, nil)), func() time.Time { return now })}
	for _, tt := range []struct {
		down   error
		after  time.Duration
		status int
		body   string
		asked  int
		lines  int
	}{
		{nil, 0, 200, `{"checks":{"database":"ok","redis":"ok"},"ready":true}`, 1, 0},
		{errors.New("dial 10.0.0.7: refused"), time.Second - 1, 200, `{"checks":{"database":"ok","redis":"ok"},"ready":true}`, 1, 0},
		{errors.New("dial 10.0.0.7: refused"), 1, 503, `{"checks":{"database":"ok","redis":"unavailable"},"ready":false}`, 2, 1},
		{errors.New("dial 10.0.0.7: refused"), time.Second, 503, `{"checks":{"database":"ok","redis":"unavailable"},"ready":false}`, 3, 1},
		{nil, time.Second, 200, `{"checks":{"database":"ok","redis":"ok"},"ready":true}`, 4, 2},
	} {
		down = tt.down
		now = now.Add(tt.after)
		w := httptest.NewRecorder()
		s.ready(w, httptest.NewRequest("GET", "/ready", nil))
		if body := strings.TrimSpace(w.Body.String()); w.Code != tt.status || body != tt.body {
			t.Errorf("%v: %d %s, want %d %s", tt.down, w.Code, body, tt.status, tt.body)
		}
		if lines := strings.Count(log.String(), "\n"); asked != tt.asked || lines != tt.lines {
			t.Errorf("%v: asked %d times, want %d; %d lines, want %d:\n%s", tt.down, asked, tt.asked, lines, tt.lines, &log)
		}
	}
}

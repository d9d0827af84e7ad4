package api

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"medtwin.ai/tollgate/examples/server/database/databasetest"
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
	s.readiness.streams = map[string]func(time.Time) bool{
		"keys": func(time.Time) bool { return true }, "sessions": func(time.Time) bool { return false }, // which is no failure
	}
	for _, tt := range []struct {
		down   error
		after  time.Duration
		status int
		body   string
		asked  int
		lines  int
	}{
		{nil, 0, 200, `{"checks":{"database":"ok","redis":"ok"},"ready":true,"streams":{"keys":"ok","sessions":"lost"}}`, 1, 0},
		{errors.New("dial 10.0.0.7: refused"), time.Second - 1, 200, `{"checks":{"database":"ok","redis":"ok"},"ready":true,"streams":{"keys":"ok","sessions":"lost"}}`, 1, 0},
		{errors.New("dial 10.0.0.7: refused"), 1, 503, `{"checks":{"database":"ok","redis":"unavailable"},"ready":false,"streams":{"keys":"ok","sessions":"lost"}}`, 2, 1},
		{errors.New("dial 10.0.0.7: refused"), time.Second, 503, `{"checks":{"database":"ok","redis":"unavailable"},"ready":false,"streams":{"keys":"ok","sessions":"lost"}}`, 3, 1},
		{nil, time.Second, 200, `{"checks":{"database":"ok","redis":"ok"},"ready":true,"streams":{"keys":"ok","sessions":"lost"}}`, 4, 2},
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
	s.stopping.Store(true)
	for _, tt := range []struct {
		path, body string
		handle     http.HandlerFunc
	}{
		{"/ready", `{"checks":{"server":"stopping"},"ready":false}`, s.ready},
		{"/health", `{"status":"stopping"}`, s.health},
	} {
		w := httptest.NewRecorder()
		tt.handle(w, httptest.NewRequest("GET", tt.path, nil))
		if got := strings.TrimSpace(w.Body.String()); w.Code != 503 || got != tt.body || asked != 4 {
			t.Errorf("%s while the server drains: got %d %s after %d checks, want 503 %s after 4", tt.path, w.Code, got, asked, tt.body)
		}
	}
}

// A server that was started on a database that is read-only is not ready, names
// it, and is ready as soon as the database takes writes. case T9
func TestReadyOnReadOnlyDatabase(t *testing.T) {
	name := postgres(t)
	dir := t.TempDir()
	c := config{database: name, pepperFile: filepath.Join(dir, "pepper")}
	start := func() *server {
		t.Helper()
		s, err := newServer(t.Context(), c, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	start().Close() // makes what there is to make
	alter := func(how string) {
		t.Helper()
		u, err := pgxpool.ParseConfig(name)
		if err == nil {
			err = databasetest.Server().Exec(t.Context(), `ALTER DATABASE `+u.ConnConfig.Database+` `+how)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	alter(`SET default_transaction_read_only = on`)
	s := start()
	defer s.Close()
	ask := func() (status int, body string) {
		w := httptest.NewRecorder()
		s.ready(w, httptest.NewRequest("GET", "/ready", nil))
		return w.Code, w.Body.String()
	}
	if status, body := ask(); status != 503 || !strings.Contains(body, `"database":"unavailable"`) {
		t.Errorf("read-only: %d %s", status, body)
	}
	alter(`RESET default_transaction_read_only`)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	late := time.After(10 * time.Second)
	for {
		status, body := ask()
		if status == 200 {
			break
		}
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("10 seconds after it takes writes: %d %s", status, body)
		}
	}
}

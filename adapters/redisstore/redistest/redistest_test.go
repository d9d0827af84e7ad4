package redistest

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

func serve(t *testing.T, c Config) *Server {
	t.Helper()
	s, err := Start(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// A server goes through all that tests do to it, and leaves nothing behind.
func TestServer(t *testing.T) {
	s := serve(t, Config{Durable: true, Settings: []string{"maxclients 77"}})
	o, err := redis.ParseURL(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	o.MaxRetries, o.ReadTimeout = -1, 200*time.Millisecond
	c := redis.NewClient(o)
	ctx := t.Context()
	if err := c.Set(ctx, "a", "b", time.Hour).Err(); err != nil {
		t.Fatal(err)
	}
	if got := c.ConfigGet(ctx, "maxclients").Val()["maxclients"]; got != "77" {
		t.Errorf("maxclients is %s", got)
	}
	stranger := redis.NewClient(&redis.Options{Addr: s.Addr()})
	defer stranger.Close()
	if err := stranger.Ping(ctx).Err(); err == nil {
		t.Error("a stranger is let in")
	}
	for _, step := range []struct {
		name string
		do   func() error
		up   bool
	}{
		{"pause", s.Pause, false}, {"resume", s.Resume, true}, {"kill", s.Kill, false}, {"restart", s.Restart, true},
		{"stop", s.Stop, false}, {"restart", s.Restart, true},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		got, err := c.Get(ctx, "a").Result()
		if errors.Is(err, syscall.EPIPE) || err != nil && step.up { // on a connection of before
			got, err = c.Get(ctx, "a").Result()
		}
		if (err == nil) != step.up || step.up && got != "b" {
			t.Errorf("after %s: %q, %v", step.name, got, err)
		}
	}
	if err := s.Restart(); err == nil {
		t.Error("a server that runs is started again")
	}
	c.Close()
	stranger.Close()
	if err := s.Leaks(); err != nil {
		t.Errorf("leaks: %v", err)
	}
	dir, process := s.dir, s.process.Process
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder is left: %v", err)
	}
	if err := process.Signal(syscall.Signal(0)); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("the process is left: %v", err)
	}
}

func TestLeaks(t *testing.T) {
	s := serve(t, Config{})
	c := redis.NewClient(s.Options())
	if err := c.Set(t.Context(), "eternal", "x", 0).Err(); err != nil {
		t.Fatal(err)
	}
	err := s.leaks(time.Millisecond)
	c.Close()
	for _, want := range []string{`"eternal"`, "the connection id="} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("leaks are %v, want one of %s", err, want)
		}
	}
}

// Where there is no Redis tests fail, and say what to install.
func TestMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for _, tt := range []struct {
		name  string
		start func() error
	}{
		{"alone", func() error { _, err := Start(Config{}); return err }},
		{"sentinel", func() error { _, err := StartSentinel(Config{}); return err }},
		{"cluster", func() error { _, err := StartCluster(Config{}); return err }},
	} {
		if err := tt.start(); err == nil || !strings.Contains(err.Error(), "install the package redis-server") {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

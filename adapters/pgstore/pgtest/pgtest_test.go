package pgtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// What tests leave behind is found, each by its name.
func TestLeaks(t *testing.T) {
	s, err := Start(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Leaks(); err != nil {
		t.Errorf("before anything was left: %v", err)
	}
	c, err := pgx.Connect(t.Context(), s.URL())
	if err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{"CREATE SCHEMA forgotten", "SELECT pg_advisory_lock(7)"} {
		if _, err := c.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	s.closeTimeout = 100 * time.Millisecond
	err = s.Leaks()
	for _, want := range []string{"a connection (idle), last query: SELECT pg_advisory_lock(7)", "an advisory lock", "the schema forgotten"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Leaks: %v, want %q", err, want)
		}
	}
	c.Close(t.Context())
	s.closeTimeout = serverTimeout
	if err := s.Exec(t.Context(), "DROP SCHEMA forgotten"); err != nil {
		t.Fatal(err)
	}
	if err := s.Leaks(); err != nil {
		t.Errorf("after all was tidied up: %v", err)
	}
}

// Only who knows the password comes in, and nothing stays on the disk.
func TestPrivate(t *testing.T) {
	s, err := Start(Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{
		strings.Replace(s.URL(), s.password, "guess", 1),
		strings.Replace(s.URL("host="+s.dir), s.password, "guess", 1),
	} {
		if c, err := pgx.Connect(t.Context(), url); err == nil || !strings.Contains(err.Error(), "password authentication failed") {
			t.Errorf("with a wrong password: %v, %v", c, err)
		}
	}
	if info, err := os.Stat(s.dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder: %v, %v", info, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if left, err := filepath.Glob(s.dir + "*"); err != nil || len(left) > 0 {
		t.Errorf("left on the disk: %q, %v", left, err)
	}
	if _, err := pgx.Connect(t.Context(), s.URL()); err == nil {
		t.Error("a server that was closed answers")
	}
}

// A server that was killed, paused or stopped goes on where it was.
func TestRestart(t *testing.T) {
	s, err := Start(Config{Settings: []string{"max_connections=17"}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.Restart() == nil {
		t.Error("a server that runs was started")
	}
	if err := s.Exec(t.Context(), "CREATE TABLE kept (n int)"); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name        string
		begin, mend func() error
	}{
		{"Kill", s.Kill, s.Restart}, {"Stop", s.Stop, s.Restart}, {"Pause", s.Pause, s.Resume},
	} {
		if err := tt.begin(); err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if err := tt.mend(); err != nil {
			t.Fatalf("after %s: %v", tt.name, err)
		}
		if err := s.Exec(t.Context(), "INSERT INTO kept VALUES (current_setting('max_connections')::int); SELECT 1 / (SELECT count(*) FROM kept WHERE n = 17)"); err != nil {
			t.Errorf("after %s: %v", tt.name, err)
		}
	}
}

func TestNumbers(t *testing.T) {
	if compareNumbers("/usr/lib/postgresql/9/bin", "/usr/lib/postgresql/15/bin") >= 0 || compareNumbers("16", "15") <= 0 {
		t.Error("9 is not before 15, or 15 not before 16")
	}
}

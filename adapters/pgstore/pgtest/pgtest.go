// Package pgtest runs a private Postgres for tests. It uses the binaries of the machine
// and a temporary folder, and listens on a port of the loopback interface with a
// password of its own.
//
//	var server *pgtest.Server
//
//	func TestMain(m *testing.M) {
//		os.Exit(pgtest.Main(m, func(s *pgtest.Server) error { server = s; return nil }))
//	}
//
// If no Postgres is installed, the tests fail. None is skipped.
package pgtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Config says how the server is run.
type Config struct {
	// Durable flushes commits to the disk as a production server does. Otherwise
	// nothing is flushed. That is faster, and commits survive SIGKILL, but not the
	// loss of power.
	Durable bool
	// Settings are added to those of the server, such as "max_connections=300".
	Settings []string
}

// A Server is a running Postgres. Methods that start or stop it may not be called at the
// same time as others.
type Server struct {
	dir, bin, password string
	port               int
	settings           []string
	schemas            []string      // those that were there at the start
	closeTimeout       time.Duration // how long connections may take to close before Leaks reports them

	mu      sync.Mutex
	process *exec.Cmd
	exited  chan struct{} // closed when process is gone
	paused  []int         // processes that were stopped by Pause

	numbers atomic.Int64 // of the schemas that Schema has returned
}

// serverTimeout limits each wait for the server. It is enough on a busy machine.
const serverTimeout = time.Minute

// Main starts a server, passes it to setup, runs the tests of a package and returns the
// exit code. The code is not 0 if the tests leave something behind.
func Main(m *testing.M, setup func(*Server) error) (code int) {
	s, err := Start(Config{})
	if err == nil {
		if err = setup(s); err == nil {
			code = m.Run()
			err = s.Leaks()
		}
		err = errors.Join(err, s.Close())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return max(code, 1)
	}
	return code
}

// Start makes a database cluster and starts its server. The caller closes it.
func Start(c Config) (*Server, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "pgtest")
	if err != nil {
		return nil, fmt.Errorf("pgtest: %w", err)
	}
	s := &Server{dir: dir, bin: bin, password: rand.Text(), settings: c.Settings, closeTimeout: 10 * time.Second}
	if !c.Durable {
		s.settings = append([]string{"fsync=off", "full_page_writes=off"}, s.settings...)
	}
	if err := s.initialize(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	// Another process may take the port before Postgres does.
	for range 3 {
		if s.port, err = freePort(); err != nil {
			break
		}
		if err = s.Restart(); err == nil {
			break
		}
	}
	if err == nil {
		s.schemas, err = s.present()
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Bin returns the path of a program that belongs to the server, such as pgbench.
func (s *Server) Bin(name string) string { return filepath.Join(s.bin, name) }

// URL returns the URL of the server for a superuser, with further settings such as
// "pool_max_conns=4".
func (s *Server) URL(settings ...string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword("tollgate", s.password),
		Host: fmt.Sprintf("127.0.0.1:%d", s.port), Path: "/postgres",
		RawQuery: strings.Join(append([]string{"sslmode=disable"}, settings...), "&"),
	}
	return u.String()
}

// Schema returns a name that no other test gets. It drops the schema of that name when
// the test ends.
func (s *Server) Schema(tb testing.TB) string {
	tb.Helper()
	name := fmt.Sprintf("test_%d", s.numbers.Add(1))
	tb.Cleanup(func() {
		if err := s.Exec(context.Background(), "SET client_min_messages = error; DROP SCHEMA IF EXISTS "+name+" CASCADE"); err != nil {
			tb.Errorf("drop what the test left behind: %v", err)
		}
	})
	return name
}

// Exec runs statements on a connection of its own.
func (s *Server) Exec(ctx context.Context, sql string) error {
	c, err := s.connect(ctx)
	if err != nil {
		return fmt.Errorf("pgtest: %w", err)
	}
	defer c.Close(ctx)
	if _, err := c.Exec(ctx, sql); err != nil {
		return fmt.Errorf("pgtest: %s: %w", sql, err)
	}
	return nil
}

func (s *Server) connect(ctx context.Context) (*pgx.Conn, error) {
	return pgx.Connect(ctx, s.URL("application_name="+ourselves))
}

// binaries returns the folder with the programs of the newest Postgres.
func binaries() (string, error) {
	var dirs []string
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			dirs = append(dirs, filepath.Dir(path))
		}
	}
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin", "/usr/local/pgsql/bin"} {
		found, _ := filepath.Glob(pattern) // the patterns are right
		slices.SortFunc(found, func(a, b string) int { return compareNumbers(b, a) })
		dirs = append(dirs, found...)
	}
	for _, dir := range dirs {
		if has(dir, "initdb") && has(dir, "postgres") {
			return dir, nil
		}
	}
	return "", errors.New("pgtest: there is no initdb with its postgres, neither in PATH nor in /usr/lib/postgresql: install the package postgresql")
}

func has(dir, name string) bool {
	_, err := os.Stat(filepath.Join(dir, name))
	return err == nil
}

// compareNumbers compares names that differ in a number, 9 being less than 15.
func compareNumbers(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("pgtest: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

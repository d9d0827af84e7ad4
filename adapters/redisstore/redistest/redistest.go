// Package redistest runs private Redis servers for tests: one alone, one with a replica
// under Sentinels, and a cluster. They use the binary of the machine and a temporary
// folder each, and listen on ports of the loopback interface with a password of their
// own.
//
//	server, err := redistest.Start(redistest.Config{})
//	…
//	defer server.Close()
//
// If no Redis is installed, the tests fail. None is skipped.
package redistest

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Config says how servers are run.
type Config struct {
	// Durable flushes every write to the disk before it is answered. Otherwise a server
	// that was killed has lost everything.
	Durable bool
	// Down is how long a server of a cluster or under Sentinel may give no answer
	// before it is replaced. Default: 15 seconds, which is enough on a busy machine.
	Down time.Duration
	// Settings are added to the configuration of the servers that have the data, such
	// as "maxmemory 10mb".
	Settings []string
}

func (c Config) down() int64 { return cmp.Or(c.Down, 15*time.Second).Milliseconds() }

func (c Config) settings() []string {
	if c.Durable {
		return append([]string{"appendonly yes", "appendfsync always"}, c.Settings...)
	}
	return c.Settings
}

// A Server is a running Redis. Methods that start or stop it may not be called at the
// same time as others.
type Server struct {
	dir, password string
	port          int
	settings      []string // of the configuration
	sentinel      bool

	mu      sync.Mutex
	process *exec.Cmd
	exited  chan struct{} // closed when process is gone
}

// serverTimeout limits each wait for a server. It is enough on a busy machine.
const serverTimeout = time.Minute

// Start starts one server alone. The caller closes it.
func Start(c Config) (*Server, error) { return start(rand.Text(), false, c.settings()) }

// start starts a server on a port of its own.
func start(password string, sentinel bool, settings []string) (*Server, error) {
	if _, err := binary(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "redistest")
	if err != nil {
		return nil, fmt.Errorf("redistest: %w", err)
	}
	s := &Server{dir: dir, password: password, sentinel: sentinel, settings: settings}
	// Another process may take the port before Redis does.
	for range 3 {
		if s.port, err = freePort(); err != nil {
			break
		}
		if err = s.configure(); err != nil {
			break
		}
		if err = s.Restart(); err == nil {
			return s, nil
		}
	}
	return nil, errors.Join(err, s.Close())
}

// Addr returns the host and port of the server.
func (s *Server) Addr() string { return fmt.Sprintf("127.0.0.1:%d", s.port) }

// Password returns the password of the server.
func (s *Server) Password() string { return s.password }

// URL returns the URL of the server, with its password: redis://….
func (s *Server) URL() string {
	u := url.URL{Scheme: "redis", User: url.UserPassword("", s.password), Host: s.Addr(), Path: "/0"}
	return u.String()
}

// Options returns the options of a client. Its calls end with their contexts.
func (s *Server) Options() *redis.Options {
	return &redis.Options{Addr: s.Addr(), Password: s.password, ContextTimeoutEnabled: true}
}

// Client returns a client, which is closed when the test ends.
func (s *Server) Client(tb testing.TB) *redis.Client {
	c := redis.NewClient(s.Options())
	tb.Cleanup(func() { c.Close() })
	return c
}

// binary finds the program of the server, Redis or Valkey.
func binary() (string, error) {
	for _, name := range []string{"redis-server", "valkey-server"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("redistest: neither redis-server nor valkey-server is in PATH: install the package redis-server")
}

// busPort is added to the port of a server of a cluster for the one on which it talks to
// the others.
const busPort = 10_000

// freePort finds a free port whose port for the cluster is free, too.
func freePort() (int, error) {
	for range 100 {
		port, err := free(0)
		if err != nil {
			return 0, fmt.Errorf("redistest: %w", err)
		}
		if port+busPort > 65535 {
			port -= 20_000
			if _, err := free(port); err != nil {
				continue
			}
		}
		if _, err := free(port + busPort); err == nil {
			return port, nil
		}
	}
	return 0, errors.New("redistest: no two ports are free")
}

func free(port int) (int, error) {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// Close stops the server and removes all that it has written.
func (s *Server) Close() error {
	return errors.Join(s.signal(syscall.SIGKILL), os.RemoveAll(s.dir))
}

// closeAll closes servers.
func closeAll(servers ...*Server) error {
	var errs []error
	for _, s := range servers {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	return errors.Join(errs...)
}

// hostPorts are the addresses of servers.
func hostPorts(servers []*Server) []string {
	list := make([]string, len(servers))
	for i, s := range servers {
		list[i] = s.Addr()
	}
	return list
}

// text is a configuration file.
func text(lines ...string) []byte { return []byte(strings.Join(lines, "\n") + "\n") }

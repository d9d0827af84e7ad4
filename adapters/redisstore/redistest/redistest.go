// Package redistest runs private Redis servers for tests: one alone, one with
// a replica under Sentinels, and a cluster. They are the machine's binary, each
// in a folder of its own under the temporary one, on ports of the loopback
// interface that needs their password.
//
//	server, err := redistest.Start(redistest.Config{})
//	…
//	defer server.Close()
//
// Where no Redis is installed it fails, and no test is skipped.
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
	// Durable has every write flushed to the disk before it is answered.
	// Otherwise a server that is killed has forgotten everything.
	Durable bool
	// Down is after how long without an answer a server of a cluster, or one
	// under Sentinel, is replaced; 0: 15 seconds, which no busy machine takes.
	Down time.Duration
	// Settings are added to the configuration, such as "maxmemory 10mb". In a
	// cluster and under Sentinel they are those of the servers with the data.
	Settings []string
}

func (c Config) down() int64 { return cmp.Or(c.Down, 15*time.Second).Milliseconds() }

func (c Config) settings() []string {
	if c.Durable {
		return append([]string{"appendonly yes", "appendfsync always"}, c.Settings...)
	}
	return c.Settings
}

// A Server is a running Redis. Its methods may be called from any goroutine,
// but for those that start and stop it.
type Server struct {
	dir, password string
	port          int
	settings      []string // of the configuration
	sentinel      bool

	mu      sync.Mutex
	process *exec.Cmd
	exited  chan struct{} // closed when process is gone
}

// serverTimeout limits each wait for a server, also on a busy machine.
const serverTimeout = time.Minute

// Start starts a server that is alone. Close it.
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

// Addr returns host and port.
func (s *Server) Addr() string { return fmt.Sprintf("127.0.0.1:%d", s.port) }

// Password returns what clients have to know.
func (s *Server) Password() string { return s.password }

// URL returns redis://…, with the password.
func (s *Server) URL() string {
	u := url.URL{Scheme: "redis", User: url.UserPassword("", s.password), Host: s.Addr(), Path: "/0"}
	return u.String()
}

// Options returns how to reach the server. Calls heed the deadlines of their
// contexts.
func (s *Server) Options() *redis.Options {
	return &redis.Options{Addr: s.Addr(), Password: s.password, ContextTimeoutEnabled: true}
}

// Client returns a client, which is closed when the test ends.
func (s *Server) Client(tb testing.TB) *redis.Client {
	c := redis.NewClient(s.Options())
	tb.Cleanup(func() { c.Close() })
	return c
}

// binary finds the server. Valkey serves too.
func binary() (string, error) {
	for _, name := range []string{"redis-server", "valkey-server"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("redistest: neither redis-server nor valkey-server is in PATH: install the package redis-server")
}

// busPort is how far above its port a server of a cluster talks to the others.
const busPort = 10_000

// freePort finds a port that is free, as is the one for the cluster.
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

package redistest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

// configure writes the configuration file. In a cluster and under Sentinel, Redis writes
// its own changes to it.
func (s *Server) configure() error {
	lines := []string{
		fmt.Sprintf("port %d", s.port), "bind 127.0.0.1", "dir " + s.dir, "requirepass " + s.password,
	}
	if !s.sentinel {
		lines = append(lines, "masterauth "+s.password, `save ""`, "repl-diskless-sync-delay 0",
			"repl-ping-replica-period 1") // a cluster counts a replica after that has heard from its master
	}
	if err := os.WriteFile(s.config(), text(append(lines, s.settings...)...), 0o600); err != nil {
		return fmt.Errorf("redistest: %w", err)
	}
	return nil
}

func (s *Server) config() string { return filepath.Join(s.dir, "redis.conf") }

// Restart starts a server that does not run, on the same port as before, and returns
// when it answers.
func (s *Server) Restart() error {
	if s.running() {
		return errors.New("redistest: the server runs")
	}
	path, err := binary()
	if err != nil {
		return err
	}
	cmd := exec.Command(path, s.config())
	if s.sentinel {
		cmd.Args = append(cmd.Args, "--sentinel")
	}
	var out bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, &out, &out
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	cmd.SysProcAttr = attributes()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("redistest: %w", err)
	}
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = cmd.Wait() // a server that is stopped ends with an error as often as not
	}()
	s.mu.Lock()
	s.process, s.exited = cmd, exited
	s.mu.Unlock()
	if err := s.wait("it does not answer", func(ctx context.Context, c *redis.Client) (bool, error) {
		select {
		case <-exited:
			return false, errors.New("it does not start")
		default:
			return c.Ping(ctx).Err() == nil, nil
		}
	}); err != nil {
		return errors.Join(fmt.Errorf("%w\n%s", err, s.log(&out)), s.signal(syscall.SIGKILL))
	}
	return nil
}

// log returns the output of a server that has ended.
func (s *Server) log(out *bytes.Buffer) string {
	if err := s.signal(syscall.SIGKILL); err != nil {
		return err.Error()
	}
	return out.String()
}

// wait calls f until it reports true.
func (s *Server) wait(no string, f func(context.Context, *redis.Client) (bool, error)) error {
	ctx, cancel := context.WithTimeout(context.Background(), serverTimeout)
	defer cancel()
	o := s.Options()
	o.MaxRetries, o.Protocol = -1, 2 // the protocol that a Sentinel knows, too
	c := redis.NewClient(o)
	defer c.Close()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := f(ctx, c)
		switch {
		case err != nil:
			return fmt.Errorf("redistest: %s: %w", s.Addr(), err)
		case ok:
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("redistest: %s: %s", s.Addr(), no)
		}
	}
}

func (s *Server) running() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return false
	}
	select {
	case <-s.exited:
		return false
	default:
		return true
	}
}

// Kill ends the server before it can write anything, as the kernel does when memory runs
// out. See Restart.
func (s *Server) Kill() error { return s.signal(syscall.SIGKILL) }

// Stop shuts the server down. See Restart.
func (s *Server) Stop() error { return s.signal(syscall.SIGTERM) }

// signal ends the server.
func (s *Server) signal(how syscall.Signal) error {
	if !s.running() {
		return nil
	}
	if err := s.send(how); err != nil {
		return err
	}
	select {
	case <-s.exited:
		return nil
	case <-time.After(serverTimeout):
		return errors.Join(errors.New("redistest: the server did not end"), s.process.Process.Kill())
	}
}

func (s *Server) send(how syscall.Signal) error {
	if err := s.process.Process.Signal(how); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("redistest: %w", err)
	}
	return nil
}

// Pause stops the process of the server. It then hangs: the kernel accepts its
// connections, and nothing answers.
func (s *Server) Pause() error { return s.send(syscall.SIGSTOP) }

// Resume continues a process that was paused.
func (s *Server) Resume() error { return s.send(syscall.SIGCONT) }

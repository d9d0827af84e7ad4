package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// initialize makes the cluster in a folder that belongs to the user of the server.
func (s *Server) initialize() error {
	secret := filepath.Join(s.dir, "password")
	if err := os.WriteFile(secret, []byte(s.password), 0o600); err != nil {
		return fmt.Errorf("pgtest: %w", err)
	}
	if err := own(s.dir, secret); err != nil {
		return fmt.Errorf("pgtest: %w", err)
	}
	// A password in the clear costs nothing on the loopback interface; SCRAM
	// would cost milliseconds for every connection.
	cmd := s.command("initdb", "--pgdata="+s.data(), "--username=tollgate", "--pwfile="+secret, "--auth=password",
		"--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("pgtest: initdb: %w\n%s", err, out)
	}
	return nil
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// command is a program of Postgres, which refuses to run as root.
func (s *Server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(s.Bin(name), args...)
	cmd.Dir = s.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	cmd.SysProcAttr = attributes()
	return cmd
}

// Restart starts a server that does not run, on the same port as before, and returns
// when it answers.
func (s *Server) Restart() error {
	if s.running() {
		return errors.New("pgtest: the server runs")
	}
	late := time.Now().Add(serverTimeout)
	for {
		log, err := s.start(late)
		if err == nil {
			return nil
		}
		// The processes of a killed server take a moment to end.
		busy := strings.Contains(log, "is still in use") || strings.Contains(log, "lock file")
		if !busy || time.Now().After(late) {
			return fmt.Errorf("pgtest: %w\n%s", err, log)
		}
	}
}

func (s *Server) start(late time.Time) (log string, err error) {
	var out bytes.Buffer
	args := []string{"-D", s.data(), "-p", fmt.Sprint(s.port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=" + s.dir,
		"-c", "log_min_messages=fatal", "-c", "max_wal_size=4GB"}
	for _, setting := range s.settings {
		args = append(args, "-c", setting)
	}
	cmd := s.command("postgres", args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return "", err
	}
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = cmd.Wait() // a server that is stopped ends with an error as often as not
	}()
	s.mu.Lock()
	s.process, s.exited = cmd, exited
	s.mu.Unlock()

	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for time.Now().Before(late) {
		select {
		case <-exited:
			return out.String(), errors.New("postgres does not start")
		case <-tick.C:
			if s.answers() {
				return "", nil
			}
		}
	}
	return "", errors.Join(errors.New("postgres does not answer"), s.signal(syscall.SIGKILL))
}

func (s *Server) answers() bool {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	c, err := s.connect(ctx)
	if err != nil {
		return false
	}
	return c.Close(ctx) == nil
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

// Demote restarts the server as a standby without a primary, which can only be read.
func (s *Server) Demote() error {
	if err := s.Stop(); err != nil {
		return err
	}
	signal := filepath.Join(s.data(), "standby.signal")
	if err := os.WriteFile(signal, nil, 0o600); err != nil {
		return fmt.Errorf("pgtest: %w", err)
	}
	if err := own(signal); err != nil {
		return fmt.Errorf("pgtest: %w", err)
	}
	return s.Restart()
}

// Stop shuts the server down, ending its connections. See Restart.
func (s *Server) Stop() error { return s.signal(syscall.SIGINT) }

// signal ends the server.
func (s *Server) signal(how syscall.Signal) error {
	if !s.running() {
		return nil
	}
	if err := s.process.Process.Signal(how); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("pgtest: %w", err)
	}
	select {
	case <-s.exited:
		return nil
	case <-time.After(serverTimeout):
		return errors.Join(errors.New("pgtest: the server did not end"), s.process.Process.Kill())
	}
}

// Pause stops every process of the server. It then hangs: the kernel accepts its
// connections, and nothing answers.
func (s *Server) Pause() error {
	ctx, cancel := context.WithTimeout(context.Background(), serverTimeout)
	defer cancel()
	c, err := s.connect(ctx)
	if err != nil {
		return fmt.Errorf("pgtest: %w", err)
	}
	defer c.Close(ctx)
	// First the process that starts the others.
	if err := s.pause(s.process.Process.Pid); err != nil {
		return err
	}
	rows, _ := c.Query(ctx, `SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()`)
	pids, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		return errors.Join(fmt.Errorf("pgtest: %w", err), s.Resume())
	}
	return s.pause(pids...)
}

// PauseBackend stops the one process that serves a connection.
func (s *Server) PauseBackend(pid int) error { return s.pause(pid) }

// pause returns when the processes have stopped.
func (s *Server) pause(pids ...int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, pid := range pids {
		err := syscall.Kill(pid, syscall.SIGSTOP)
		if errors.Is(err, syscall.ESRCH) { // it has ended meanwhile
			continue
		}
		if err != nil {
			return fmt.Errorf("pgtest: stop process %d: %w", pid, err)
		}
		s.paused = append(s.paused, pid)
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	late := time.After(serverTimeout)
	for _, pid := range s.paused {
		for !stopped(pid) {
			select {
			case <-tick.C:
			case <-late:
				return fmt.Errorf("pgtest: process %d does not stop", pid)
			}
		}
	}
	return nil
}

// Resume continues the processes that were paused.
func (s *Server) Resume() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, pid := range s.paused {
		if err := syscall.Kill(pid, syscall.SIGCONT); err != nil && !errors.Is(err, syscall.ESRCH) {
			errs = append(errs, fmt.Errorf("pgtest: continue process %d: %w", pid, err))
		}
	}
	s.paused = nil
	return errors.Join(errs...)
}

// Close stops the server and removes all that it has written.
func (s *Server) Close() error {
	return errors.Join(s.Resume(), s.signal(syscall.SIGQUIT), os.RemoveAll(s.dir))
}

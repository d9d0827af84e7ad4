package api

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"medtwin.ai/tollgate/examples/server/database/databasetest"
)

// binary is the real program, built once and as the tests are: with the race
// detector where they have it. unraced is the program without it, for tests that
// measure or that make many requests, and is linked as a release is.
var (
	binary  = built("server")
	unraced = built("release", "-race=false", "-ldflags=-X medtwin.ai/tollgate/examples/server/api.version="+linked)
)

// linked is the version that is set in unraced.
const linked = "v1.2.3"

// builds is the folder of the programs.
var builds = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "tollgate-e2e") })

func built(name string, flags ...string) func() (string, error) {
	return sync.OnceValues(func() (string, error) {
		dir, err := builds()
		if err != nil {
			return "", err
		}
		path := filepath.Join(dir, name)
		out, err := exec.Command("go", append(append([]string{"build"}, flags...), "-o", path, "..")...).CombinedOutput()
		if err != nil {
			os.Stderr.Write(out)
		}
		return path, err
	})
}

func TestMain(m *testing.M) {
	flag.Parse()
	chosen := false
	flag.Visit(func(f *flag.Flag) { chosen = chosen || f.Name == "test.parallel" })
	if !chosen {
		flag.Set("test.parallel", "4") // the drills wait more than they work
	}
	code := databasetest.Main(m)
	if dir, err := builds(); err == nil {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

// A process is a running server and the folder that it lives in.
type process struct {
	credentials
	t      *testing.T
	dir    string
	cmd    *exec.Cmd
	stdout string     // up to "serving on"
	logs   *lockedLog // stderr
}

type lockedLog struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func program(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	return programOf(t, binary, dir, args...)
}

// programOf runs what built returns.
func programOf(t *testing.T, built func() (string, error), dir string, args ...string) *exec.Cmd {
	t.Helper()
	path, err := built()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	cmd.Dir = dir
	if url := postgresOf(t, dir); url != "" {
		cmd.Env = append(os.Environ(), "TOLLGATE_DATABASE="+url)
	}
	return cmd
}

// start runs the server in dir, which holds its database and pepper, and
// waits until it serves.
func start(t *testing.T, dir string, args ...string) *process {
	t.Helper()
	return begin(t, program(t, dir, append([]string{"--listen", "127.0.0.1:0", "--demo-file", "demo.json"}, args...)...))
}

// startUnraced is start without the race detector.
func startUnraced(t *testing.T, dir string, args ...string) *process {
	t.Helper()
	return begin(t, programOf(t, unraced, dir, append([]string{"--listen", "127.0.0.1:0", "--demo-file", "demo.json"}, args...)...))
}

// begin runs cmd, which is a server.
func begin(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, dir: cmd.Dir, cmd: cmd, logs: &lockedLog{}}
	p.cmd.Stderr = p.logs
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.stop)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		p.stdout += lines.Text() + "\n"
		if url, ok := strings.CutPrefix(lines.Text(), "serving on "); ok {
			p.load()
			p.BaseURL = url
			go io.Copy(io.Discard, out)
			return p
		}
	}
	t.Fatalf("the server did not start:\n%s%s", p.stdout, p.logs)
	return nil
}

// load reads the demo file, which is there since the first start in the folder.
func (p *process) load() {
	p.t.Helper()
	text, err := os.ReadFile(filepath.Join(p.dir, "demo.json"))
	if err == nil {
		err = json.Unmarshal(text, &p.credentials)
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

// stop ends the server as an operator would, and expects it to end well.
func (p *process) stop() {
	if p.cmd.ProcessState != nil {
		return
	}
	p.cmd.Process.Signal(syscall.SIGTERM)
	if err := p.cmd.Wait(); err != nil {
		p.t.Errorf("the server ended with %v:\n%s", err, p.logs)
	}
}

// kill is kill -9.
func (p *process) kill() {
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

// console runs a command of the operator's beside the server.
func console(t *testing.T, dir string, args ...string) string {
	t.Helper()
	out, err := program(t, dir, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("server %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// makeKey returns the id and the key of "keys create", of the demo account unless args say
// another, for everything that they do not limit.
func makeKey(t *testing.T, dir string, args ...string) (id, key string) {
	t.Helper()
	for _, flag := range [][2]string{{"--account", "Demo"}, {"--permissions", "read"}, {"--projects", "*"}, {"--artifact_types", "*"}} {
		if !slices.Contains(args, flag[0]) {
			args = append(args, flag[:]...)
		}
	}
	out := console(t, dir, append([]string{"keys", "create", "--name", "test"}, args...)...)
	for line := range strings.Lines(out) {
		if v, ok := strings.CutPrefix(line, "id:"); ok {
			id = strings.TrimSpace(v)
		}
		if v, ok := strings.CutPrefix(line, "key:"); ok {
			key = strings.TrimSpace(v)
		}
	}
	if id == "" || key == "" {
		t.Fatalf("no key in:\n%s", out)
	}
	return id, key
}

// An answer is a response, read whole.
type answer struct {
	status int
	header http.Header
	body   string
}

func (p *process) do(method, path, key, body string, header ...string) answer {
	p.t.Helper()
	r, err := http.NewRequest(method, p.BaseURL+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, strings.TrimSpace(string(text))}
}

func (p *process) get(path, key string, header ...string) answer {
	p.t.Helper()
	return p.do("GET", path, key, "", header...)
}

// within asks every 50 ms until ok says yes or d has passed.
func (p *process) within(d time.Duration, path, key string, ok func(answer) bool) answer {
	p.t.Helper()
	every := time.NewTicker(50 * time.Millisecond)
	defer every.Stop()
	deadline := time.After(d)
	for {
		a := p.get(path, key)
		if ok(a) {
			return a
		}
		select {
		case <-every.C:
		case <-deadline:
			return a
		}
	}
}

// given runs a command with something on its standard input.
func given(t *testing.T, dir, stdin string, args ...string) (string, error) {
	t.Helper()
	cmd := program(t, dir, args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// Package examples tests the small programs beneath it as their users run them.
package examples

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	// What the programs are made of, so that a result of these tests is not taken
	// for one of later code.
	_ "github.com/go-chi/chi/v5"
	_ "medtwin.ai/tollgate"
	_ "medtwin.ai/tollgate/adapters/chimw"
	_ "medtwin.ai/tollgate/adapters/echo5mw"
	_ "medtwin.ai/tollgate/adapters/ginmw"
	_ "medtwin.ai/tollgate/adapters/sqlitestore"
)

// What the shortest useful program may ask of a reader.
const (
	maxLines    = 38
	maxConcepts = 8
)

var programs = []string{"quickstart", "chi"}

// Every program is one task, in less than 120 lines, beside the one that was longer before
// it was protected.
func TestProgramsAreShort(t *testing.T) {
	files := must(filepath.Glob("*/main.go"))(t)
	if len(files) < 8 {
		t.Errorf("got %d programs, want at least 8", len(files))
	}
	for _, name := range files {
		text := must(os.ReadFile(name))(t)
		if got := bytes.Count(text, []byte("\n")); got >= 120 && name != "chiapp/main.go" {
			t.Errorf("%s: got %d lines, want less than 120", name, got)
		}
	}
}

// The programs of the README stay small, and the README shows them as they are.
func TestProgramsAreSmall(t *testing.T) {
	readme := must(os.ReadFile("../README.md"))(t)
	for _, name := range programs {
		t.Run(name, func(t *testing.T) {
			text := must(os.ReadFile(filepath.Join(name, "main.go")))(t)
			if got := bytes.Count(text, []byte("\n")); got > maxLines {
				t.Errorf("got %d lines, want at most %d", got, maxLines)
			}
			if got := concepts(t, text); len(got) > maxConcepts {
				t.Errorf("got %d concepts %q, want at most %d", len(got), got, maxConcepts)
			}
			if !bytes.Contains(readme, fmt.Appendf(nil, "```go\n%s```\n", text)) {
				t.Errorf("README.md does not show examples/%s/main.go as it is: copy it there", name)
			}
		})
	}
}

// concepts returns what a program names of the library: identifiers of its
// packages, and methods of the gate. A Config is one concept with the function
// that takes it.
func concepts(t *testing.T, program []byte) []string {
	t.Helper()
	f := must(parser.ParseFile(token.NewFileSet(), "main.go", program, 0))(t)
	ours := map[string]bool{"gate": true}
	for _, spec := range f.Imports {
		if path := strings.Trim(spec.Path.Value, `"`); strings.HasPrefix(path, "medtwin.ai/tollgate") {
			ours[filepath.Base(path)] = true
		}
	}
	var names []string
	ast.Inspect(f, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok && ours[x.Name] && s.Sel.Name != "Config" {
				names = append(names, x.Name+"."+s.Sel.Name)
			}
		}
		return true
	})
	slices.Sort(names)
	return slices.Compact(names)
}

// The programs do what the README says of them: one command makes the first key,
// which opens one project, and goes on to do so after a restart. With other secrets
// than those of the database the programs do not start.
func TestPrograms(t *testing.T) {
	for _, name := range programs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := build(t, name)
			_, key := p.makeKey(t, "--projects", "p1")
			if !strings.HasPrefix(key, "acme_live_") {
				t.Fatalf("got the key %q, want acme_live_…", key)
			}
			tests := []struct {
				name, path, key string
				want            int
			}{
				{"in scope", "/v1/projects/p1", key, http.StatusOK},
				{"out of scope", "/v1/projects/p2", key, http.StatusForbidden},
				{"without a key", "/v1/projects/p1", "", http.StatusUnauthorized},
				{"with a made-up key", "/v1/projects/p1", key[:len(key)-1] + "_", http.StatusUnauthorized},
			}
			for _, when := range []string{"first start", "after a restart"} {
				p.serve(t)
				for _, tt := range tests {
					t.Run(when+"/"+tt.name, func(t *testing.T) {
						if got := get(t, "http://"+p.addr+tt.path, tt.key); got != tt.want {
							t.Errorf("got %d, want %d", got, tt.want)
						}
					})
				}
				p.stop(t)
			}
			check(t, os.Remove(filepath.Join(p.dir, "acme.secrets"))) // so that the program makes others
			out, err := p.command().CombinedOutput()
			if want := "these are not the secrets that the database was first used with"; err == nil || !strings.Contains(string(out), want) {
				t.Errorf("with other secrets: got %v, %s, want it to end with %q", err, out, want)
			}
		})
	}
}

// A program is a built example in a folder of its own.
type program struct {
	binary, dir, addr string
	env               []string
	running           *exec.Cmd
	output            output
}

// output is what a program says, for concurrent use.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// listens is where the programs listen, but for tests, which run side by side.
var listens = regexp.MustCompile(`"localhost:[0-9]+"`)

// build builds a copy of the program that listens on a free port.
func build(t *testing.T, name string) *program {
	t.Helper()
	return buildWith(t, name, "", "")
}

// buildWith is build with a part of the program replaced.
func buildWith(t *testing.T, name, part, by string) *program {
	t.Helper()
	l := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	addr := l.Addr().String()
	check(t, l.Close())
	text := must(os.ReadFile(filepath.Join(name, "main.go")))(t)
	if !bytes.Contains(text, []byte(part)) {
		t.Fatalf("%s/main.go has no %q", name, part)
	}
	text = bytes.Replace(text, []byte(part), []byte(by), 1)
	dir := t.TempDir()
	source, overlay := filepath.Join(dir, "main.go"), filepath.Join(dir, "overlay.json")
	text = listens.ReplaceAll(text, fmt.Appendf(nil, "%q", addr))
	original := must(filepath.Abs(filepath.Join(name, "main.go")))(t)
	check(t, os.WriteFile(source, text, 0o600))
	check(t, os.WriteFile(overlay, fmt.Appendf(nil, `{"Replace": {%q: %q}}`, original, source), 0o600))
	p := &program{binary: filepath.Join(dir, name), dir: t.TempDir(), addr: addr}
	cmd := exec.Command("go", "build", "-overlay", overlay, "-o", p.binary, "./"+name)
	cmd.Env = append(os.Environ(), "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return p
}

func (p *program) command(args ...string) *exec.Cmd {
	cmd := exec.Command(p.binary, args...)
	cmd.Dir, cmd.Env = p.dir, append(os.Environ(), p.env...)
	return cmd
}

// run runs a command of the program to its end.
func (p *program) run(t *testing.T, args ...string) string {
	t.Helper()
	cmd := p.command(args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%q: %v\n%s", args, err, &stderr)
	}
	return string(out)
}

// makeKey runs keys create, and returns the id and the key.
func (p *program) makeKey(t *testing.T, args ...string) (id, key string) {
	t.Helper()
	out := p.run(t, append([]string{"keys", "create", "--account", "acme", "--name", "first", "--permissions", "read"}, args...)...)
	return after(out, "id:  "), after(out, "key: ")
}

// after returns what follows a word on its line.
func after(text, word string) string {
	_, rest, _ := strings.Cut(text, word)
	rest, _, _ = strings.Cut(rest, "\n")
	return rest
}

// serve starts the program and waits until it answers.
func (p *program) serve(t *testing.T) {
	t.Helper()
	p.running = p.command()
	p.running.Stdout, p.running.Stderr = &p.output, &p.output
	check(t, p.running.Start())
	t.Cleanup(func() { p.running.Process.Kill() })
	p.until(t, "listens", func() bool {
		conn, err := net.Dial("tcp", p.addr)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

// until waits for something to be so.
func (p *program) until(t *testing.T, what string, is func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-ctx.Done():
			t.Fatalf("%s: not so after 30 s: %s\n%s", filepath.Base(p.binary), what, &p.output)
		case <-tick.C:
		}
	}
}

// stop ends the program as a crash would.
func (p *program) stop(t *testing.T) {
	t.Helper()
	check(t, p.running.Process.Kill())
	p.running.Wait()
}

// An answer is a response, read whole.
type answer struct {
	status  int
	body    string
	cookies []*http.Cookie
}

// field returns a text of a JSON answer.
func (a answer) field(t *testing.T, name string) string {
	t.Helper()
	var v map[string]any
	check(t, json.Unmarshal([]byte(a.body), &v))
	s, _ := v[name].(string)
	if s == "" {
		t.Fatalf("got %s, want %q in it", a.body, name)
	}
	return s
}

// send sends a request with JSON and headers: name, value, name, value.
func (p *program) send(t *testing.T, want int, method, path, body string, header ...string) answer {
	t.Helper()
	r := must(http.NewRequestWithContext(t.Context(), method, "http://"+p.addr+path, strings.NewReader(body)))(t)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res := must(http.DefaultClient.Do(r))(t)
	defer res.Body.Close()
	text := must(io.ReadAll(res.Body))(t)
	if res.StatusCode != want {
		t.Fatalf("%s %s: got %d %s, want %d\n%s", method, path, res.StatusCode, text, want, &p.output)
	}
	return answer{res.StatusCode, string(text), res.Cookies()}
}

func get(t *testing.T, url, key string) int {
	t.Helper()
	r := must(http.NewRequestWithContext(t.Context(), "GET", url, nil))(t)
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	res := must(http.DefaultClient.Do(r))(t)
	check(t, res.Body.Close())
	return res.StatusCode
}

// must returns a function that returns v, or fails the test.
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		check(t, err)
		return v
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

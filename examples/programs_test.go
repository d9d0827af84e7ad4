// Package examples tests the small programs beneath it as their users run them.
package examples

import (
	"bytes"
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	// What the programs are made of, so that a result of these tests is not taken
	// for one of later code.
	_ "github.com/go-chi/chi/v5"
	_ "medtwin.ai/tollgate"
	_ "medtwin.ai/tollgate/adapters/sqlitestore"
)

// What the shortest useful program may ask of a reader.
const (
	maxLines    = 38
	maxConcepts = 8
)

var programs = []string{"quickstart", "chi"}

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
			made := p.run(t, "keys", "create", "--account", "acme", "--name", "first", "--permissions", "read", "--projects", "p1")
			_, key, _ := strings.Cut(made, "key: ")
			key, _, _ = strings.Cut(key, "\n")
			if !strings.HasPrefix(key, "acme_live_") {
				t.Fatalf("keys create: got %q, want a key acme_live_…", made)
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
				addr := p.serve(t)
				for _, tt := range tests {
					t.Run(when+"/"+tt.name, func(t *testing.T) {
						if got := get(t, "http://"+addr+tt.path, tt.key); got != tt.want {
							t.Errorf("got %d, want %d", got, tt.want)
						}
					})
				}
				p.stop(t)
			}
			check(t, os.Remove(filepath.Join(p.dir, "acme.secrets"))) // so that the program makes others
			cmd := exec.Command(p.binary)
			cmd.Dir, cmd.Env = p.dir, append(os.Environ(), "ADDRESS=127.0.0.1:0")
			out, err := cmd.CombinedOutput()
			if want := "these are not the secrets that the database was first used with"; err == nil || !strings.Contains(string(out), want) {
				t.Errorf("with other secrets: got %v, %s, want it to end with %q", err, out, want)
			}
		})
	}
}

// A program is a built example in a folder of its own.
type program struct {
	binary, dir string
	running     *exec.Cmd
}

// address is where the programs listen, but for tests, which run side by side.
const address = "localhost:8080"

// build builds a copy of the program that listens on a free port.
func build(t *testing.T, name string) *program {
	t.Helper()
	text := must(os.ReadFile(filepath.Join(name, "main.go")))(t)
	if bytes.Count(text, []byte(address)) != 1 {
		t.Fatalf("%s does not listen on %s", name, address)
	}
	dir := t.TempDir()
	source, overlay := filepath.Join(dir, "main.go"), filepath.Join(dir, "overlay.json")
	text = bytes.ReplaceAll(text, []byte(`"`+address+`"`), []byte(`os.Getenv("ADDRESS")`))
	original := must(filepath.Abs(filepath.Join(name, "main.go")))(t)
	check(t, os.WriteFile(source, text, 0o600))
	check(t, os.WriteFile(overlay, fmt.Appendf(nil, `{"Replace": {%q: %q}}`, original, source), 0o600))
	p := &program{binary: filepath.Join(dir, name), dir: t.TempDir()}
	cmd := exec.Command("go", "build", "-overlay", overlay, "-o", p.binary, "./"+name)
	cmd.Env = append(os.Environ(), "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return p
}

// run runs a command of the program to its end.
func (p *program) run(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command(p.binary, args...)
	cmd.Dir = p.dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%q: %v\n%s", args, err, &stderr)
	}
	return string(out)
}

// serve starts the program and returns its address once it answers.
func (p *program) serve(t *testing.T) string {
	t.Helper()
	l := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	addr := l.Addr().String()
	check(t, l.Close())
	p.running = exec.Command(p.binary)
	p.running.Dir, p.running.Env = p.dir, append(os.Environ(), "ADDRESS="+addr)
	var stderr bytes.Buffer
	p.running.Stderr = &stderr
	check(t, p.running.Start())
	t.Cleanup(func() { p.running.Process.Kill() })
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
			return addr
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s does not listen: %v\n%s", p.binary, err, &stderr)
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

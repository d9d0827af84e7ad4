package tollgate_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// docs/architecture.md shows the method that decides every request as it is.
func TestArchitectureShowsCheck(t *testing.T) {
	source, doc := string(must(os.ReadFile("gate.go"))), string(must(os.ReadFile("docs/architecture.md")))
	_, check, found := strings.Cut(source, "\nfunc (g *Guard) CheckParams(")
	check, _, ends := strings.Cut(check, "\n}\n")
	if want := "```go\nfunc (g *Guard) CheckParams(" + check + "\n}\n```\n"; !found || !ends || !strings.Contains(doc, want) {
		t.Errorf("docs/architecture.md does not show Guard.CheckParams of gate.go: want in it\n%s", want)
	}
}

// What Check does besides deciding and charging: it chooses the plan, writes headers,
// makes the context, and warns if Run was not called.
var besides = []string{
	"authn/principal.go", "authz/access.go", "internal/watch/watch.go", "limits.go",
	"ratelimit/headers.go", "ratelimit/plans.go", "run.go",
}

// The files that a known caller's request crosses are those that docs/architecture.md
// lists: ten to the decision, and six from the limiter's take to the charge.
func TestArchitectureListsThePath(t *testing.T) {
	doc := string(must(os.ReadFile("docs/architecture.md")))
	var listed []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z/]+\\.go)`").FindAllStringSubmatch(doc, -1) {
		listed = append(listed, row[1])
	}
	if len(listed) != 10+6 {
		t.Errorf("got %d files in the tables %q, want 10 and 6", len(listed), listed)
	}

	dir := t.TempDir()
	program, data, text := filepath.Join(dir, "path"), filepath.Join(dir, "data"), filepath.Join(dir, "text")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"go", "build", "-cover", "-covermode=atomic", "-coverpkg=medtwin.ai/tollgate/...", "-o", program, "./testdata/path"},
		{program, data},
		{"go", "tool", "covdata", "textfmt", "-i=" + data, "-o=" + text},
	} {
		if out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%q: %v\n%s", args, err, out)
		}
	}
	var crossed []string
	for line := range strings.Lines(string(must(os.ReadFile(text)))) {
		name, block, _ := strings.Cut(strings.TrimPrefix(line, "medtwin.ai/tollgate/"), ":")
		if strings.HasSuffix(name, ".go") && !strings.HasPrefix(name, "testdata/") && !strings.HasSuffix(block, " 0\n") && !slices.Contains(besides, name) {
			crossed = append(crossed, name)
		}
	}
	slices.Sort(listed)
	slices.Sort(crossed)
	if d := cmp.Diff(listed, slices.Compact(crossed)); d != "" {
		t.Errorf("files in docs/architecture.md and on the path of a request (-listed +crossed):\n%s", d)
	}
}

// docs/security-cases.md lists every case that a test names, with tests that exist. Cases
// without a test are of what is not built yet.
func TestSecurityCasesListTests(t *testing.T) {
	page := string(must(os.ReadFile("docs/security-cases.md")))
	named, tests := map[string]bool{}, map[string]bool{}
	naming := regexp.MustCompile(`\b[cC]ases? ((?:[KASJLT][0-9]+(?:, | and |,? case )?)+)`)
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		text := string(must(os.ReadFile(path)))
		if !strings.HasSuffix(path, "_test.go") && !strings.Contains(path, "storetest/") {
			return nil
		}
		for _, m := range regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark|Example)\w*)`).FindAllStringSubmatch(text, -1) {
			tests[m[1]] = true
		}
		for _, m := range naming.FindAllStringSubmatch(text, -1) {
			for _, name := range regexp.MustCompile(`[KASJLT][0-9]+`).FindAllString(m[1], -1) {
				named[name] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile(`(?m)^\| ([KASJLT][0-9]+) \| .+ \| (.+) \|$`).FindAllStringSubmatch(page, -1)
	listed := map[string]bool{}
	for _, row := range rows {
		listed[row[1]] = true
		if row[2] == "later" {
			if named[row[1]] {
				t.Errorf("%s: a test names it, and the page says later", row[1])
			}
			continue
		}
		for _, m := range regexp.MustCompile("`(\\w+)`").FindAllStringSubmatch(row[2], -1) {
			if !tests[m[1]] {
				t.Errorf("%s: there is no test %s", row[1], m[1])
			}
		}
		if !named[row[1]] {
			t.Errorf("%s: no test names it", row[1])
		}
	}
	for name := range named {
		if !listed[name] {
			t.Errorf("a test names case %s, which the page does not have", name)
		}
	}
	if len(rows) < 120 {
		t.Errorf("got %d cases, want all", len(rows))
	}
}

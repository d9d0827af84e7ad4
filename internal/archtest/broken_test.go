package archtest

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// A tiny tree that keeps every rule, to which the cases add one file that does
// not.
var sound = map[string]string{
	"go.work":                     "go 1.26.0\n\nuse (\n\t.\n\t./adapters/xstore\n\t./examples\n)\nuse ./benchmarks\n",
	"go.mod":                      "module medtwin.ai/tollgate\n\ngo 1.26.0\n\nrequire github.com/google/go-cmp v0.7.0\n\nrequire (\n\tgolang.org/x/crypto v0.1.0\n\tgolang.org/x/sys v0.1.0 // indirect\n)\n",
	"adapters/xstore/go.mod":      "module medtwin.ai/tollgate/adapters/xstore\n\nrequire example.com/driver v1.0.0\n",
	"adapters/xstore/x.go":        "// Package xstore is fine.\npackage xstore\n\nimport (\n\t_ \"example.com/driver\"\n\t\"medtwin.ai/tollgate/store\"\n)\n\nvar _ store.Key\n",
	"examples/go.mod":             "module medtwin.ai/tollgate/examples\n",
	"examples/server/main.go":     "package main\n\nimport \"medtwin.ai/tollgate/adapters/xstore\"\n\nfunc newServer() { go xstore.Run() }\n",
	"benchmarks/go.mod":           "module medtwin.ai/tollgate/benchmarks\n",
	"store/key.go":                "// Package store is fine.\npackage store\n\nimport \"errors\"\n\n// ErrNotFound is compared with.\nvar ErrNotFound = errors.New(\"\")\n\n// Key is documented.\ntype Key struct{ Name string }\n\nfunc newKey() *Key { return nil }\n",
	"store/key_test.go":           "package store\n\nimport (\n\t\"math/rand/v2\"\n\t\"testing\"\n\t\"testing/synctest\"\n\t\"time\"\n\n\t\"github.com/google/go-cmp/cmp\"\n\t\"medtwin.ai/tollgate/store/storetest\"\n)\n\nfunc TestBubble(t *testing.T) {\n\tsynctest.Test(t, func(t *testing.T) { time.Sleep(1) })\n\tr.Skip()\n}\n",
	"store/storetest/suite.go":    "// Package storetest is fine.\npackage storetest\n\nimport \"testing\"\n\n// Run is documented.\nfunc Run(t *testing.T) { go work() }\n",
	"store/testdata/x/ignored.go": "not even Go",
	".build/ignored.go":           "not even Go",
}

func TestRules(t *testing.T) {
	tests := []struct {
		name, path, source string // the file that breaks the rule, or many if its path has a %d
		rule               string
		want               []string // how each message begins
	}{
		{"leaf", "keyfmt/a.go", "// Package keyfmt …\npackage keyfmt\n\nimport \"medtwin.ai/tollgate/store\"\n",
			"imports go downwards", []string{"keyfmt/a.go:4: keyfmt imports store: it is a leaf"}},
		{"upwards", "store/a.go", "package store\n\nimport (\n\t\"medtwin.ai/tollgate/authz\"\n\t\"medtwin.ai/tollgate/authn\"\n)\n",
			"imports go downwards", []string{"store/a.go:5: store imports authn: it may import only keyfmt, authz"}},
		{"limits know no store", "ratelimit/a.go", "// Package ratelimit …\npackage ratelimit\n\nimport \"medtwin.ai/tollgate/store\"\n",
			"imports go downwards", []string{"ratelimit/a.go:4: ratelimit imports store: it may import only internal/loglimit, internal/request, problem"}},
		{"new package", "util/a.go", "// Package util …\npackage util\n",
			"imports go downwards", []string{"util/a.go: package util has no place"}},
		{"adapter from the core", "store/a_test.go", "package store\n\nimport \"medtwin.ai/tollgate/adapters/xstore\"\n",
			"imports go downwards", []string{"store/a_test.go:3: store imports adapters/xstore: nothing but examples"}},
		{"examples from an adapter", "adapters/xstore/a_test.go", "package xstore\n\nimport \"medtwin.ai/tollgate/examples/server\"\n",
			"imports go downwards", []string{"adapters/xstore/a_test.go:3: adapters/xstore imports examples/server: nothing imports examples/"}},
		{"internal from an adapter", "adapters/xstore/a_test.go", "package xstore\n\nimport \"medtwin.ai/tollgate/internal/request\"\n",
			"imports go downwards", []string{"adapters/xstore/a_test.go:3: adapters/xstore imports internal/request: nested modules never"}},
		{"internal from the examples", "examples/a.go", "package examples\n\nimport \"medtwin.ai/tollgate/internal/request\"\n",
			"imports go downwards", []string{"examples/a.go:3: examples imports internal/request: nested modules never"}},
		{"authn from a backend", "adapters/xstore/a.go", "package xstore\n\nimport \"medtwin.ai/tollgate/authn\"\n",
			"imports go downwards", []string{"adapters/xstore/a.go:3: adapters/xstore imports authn: adapters/xstore may import of the root module only [keyfmt authz store store/guard store/sqlkit ratelimit]"}},

		{"peer in the root", "go.mod", "module medtwin.ai/tollgate\n\nrequire (\n\tgithub.com/ulule/limiter/v3 v3.11.2\n\tgolang.org/x/crypto v0.1.0\n)\n",
			"the root module depends on little", []string{"go.mod: the root module requires github.com/ulule/limiter/v3"}},
		{"foreign import", "store/a.go", "package store\n\nimport \"golang.org/x/time/rate\"\n",
			"the root module depends on little", []string{"store/a.go:3: golang.org/x/time/rate is not for code"}},
		{"go-cmp outside tests", "store/a.go", "package store\n\nimport \"github.com/google/go-cmp/cmp\"\n",
			"the root module depends on little", []string{"store/a.go:3: github.com/google/go-cmp/cmp is not for code"}},

		{"suite in a program", "adapters/xstore/a.go", "package xstore\n\nimport (\n\t\"medtwin.ai/tollgate/store/storetest\"\n\t\"testing\"\n)\n",
			"test helpers stay in tests", []string{"adapters/xstore/a.go:4: medtwin.ai/tollgate/store/storetest is for tests", "adapters/xstore/a.go:5: testing is for tests"}},
		{"alias", "store/a_test.go", "package store\n\nimport (\n\tr \"math/rand/v2\"\n\t. \"fmt\"\n)\n",
			"imports keep their names", []string{"store/a_test.go:4: math/rand/v2 is imported as r", "store/a_test.go:5: fmt is imported as ."}},
		{"predictable", "examples/a.go", "package examples\n\nimport (\n\t\"math/rand\"\n\t\"math/rand/v2\"\n)\n",
			"secrets come from crypto/rand", []string{"examples/a.go:4: math/rand can be", "examples/a.go:5: math/rand/v2 can be"}},

		{"501 lines", "store/a_test.go", "package store\n" + strings.Repeat("\n", 500),
			"files are short", []string{"store/a_test.go: 501 lines, over 500"}},
		{"26 files", "store/a%d.go", "package store\n",
			"packages are small", []string{"store: 26 files without tests, over 25"}},
		{"25 files", "keyfmt/a%d.go", "package keyfmt\n",
			"packages are small", nil},
		{"tests are not counted", "store/a%d_test.go", "package store\n",
			"packages are small", nil},
		{"26 methods", "examples/server/a.go", "package main\n\ntype server struct{}\n" + methodsOf("*server", 14) + methodsOf("server", 12),
			"types have few methods", []string{"examples/server/a.go:5: type server of examples/server has 26 methods, over 25"}},
		{"25 methods", "store/a.go", "package store\n\n" + methodsOf("*a[T]", 25) + methodsOf("b", 25),
			"types have few methods", nil},
		{"methods of tests", "store/a_test.go", "package store\n\n" + methodsOf("a", 26),
			"types have few methods", nil},
		{"module that go.work misses", "tools/go.mod", "module medtwin.ai/tollgate/tools\n",
			"workspace lists every module", []string{"tools/go.mod: go.work does not use"}},
		{"init", "examples/a_test.go", "package examples\n\nfunc init() {}\n\ntype t int\n\nfunc (t) init() {}\n",
			"nothing runs at import", []string{"examples/a_test.go:3: init runs"}},
		{"mutable", "store/a.go", "package store\n\n// Exported and not.\nvar (\n\tDefault, ErrX int\n\tquiet int\n)\n",
			"no exported state", []string{"store/a.go:5: Default can be changed"}},
		{"goroutine", "store/a.go", "package store\n\nfunc NewCache() { go func() {}() }\n\nfunc run() { go func() {}() }\n",
			"constructors start nothing", []string{"store/a.go:3: NewCache starts a goroutine"}},
		{"wrapper", "store/a.go", "package store\n\ntype w struct {\n\tn int\n\thttp.ResponseWriter\n}\n\ntype ok struct{ w http.ResponseWriter }\n",
			"response writers are not wrapped", []string{"store/a.go:5: a struct that embeds"}},
		{"sleep", "store/storetest/a.go", "package storetest\n\nfunc f() {\n\ttime.Sleep(1)\n\tsynctest.Test(t, func() { time.Sleep(1) })\n}\n",
			"tests do not sleep or skip", []string{"store/storetest/a.go:4: a test that sleeps"}},
		{"skip", "store/a_test.go", "package store\n\nfunc f(tb testing.TB) { tb.SkipNow() }\n\nfunc TestX(t *testing.T) {\n\tt.Skip(1)\n\tother.Skip(1)\n}\n",
			"tests do not sleep or skip", []string{"store/a_test.go:3: a skipped test", "store/a_test.go:6: a skipped test"}},
		{"map as a table", "store/a_test.go", "package store\n\nfunc TestX(t *testing.T) {\n\tfor name := range map[string]int{} {\n\t}\n}\n",
			"test tables are slices", []string{"store/a_test.go:4: a table that is a map"}},
		{"variable as a table", "store/storetest/a.go", "package storetest\n\nvar all = map[string]int{}\n\nfunc f(t *testing.T) {\n\tcases := map[string]int{}\n\tfor name := range cases {\n\t\tt.Run(name, f)\n\t}\n\tfor name := range all {\n\t\tt.Run(name, f)\n\t}\n}\n",
			"test tables are slices", []string{"store/storetest/a.go:7: a table that is a map", "store/storetest/a.go:10: a table that is a map"}},
		{"maps that are no tables", "store/a_test.go", "package store\n\nfunc TestX(t *testing.T) {\n\tcases := map[string]int{}\n\tfor name := range cases {\n\t\tt.Log(name)\n\t}\n}\n\nfunc TestY(t *testing.T) {\n\tcases := []string{}\n\tfor _, name := range cases {\n\t\tt.Run(name, f)\n\t}\n}\n",
			"test tables are slices", nil},
		{"code may range over a map", "store/a.go", "package store\n\nfunc f() {\n\tfor name := range map[string]int{} {\n\t}\n}\n",
			"test tables are slices", nil},

		{"undocumented", "authz/a.go", `package authz

type T[P any] struct{}
func (*T[P]) M() {}
type hidden struct{}
func (hidden) M() {}
const C = 1
// One speaks for all.
const (
	D = iota
	E
)
// I speaks for its methods.
type I interface { M() }
type (
	J interface { M() }
)
`,
			"exports are documented", []string{"authz/a.go:3: type T", "authz/a.go:4: method T.M", "authz/a.go:7: const C",
				"authz/a.go:16: type J", "authz/a.go:16: member J.M", "authz: the package"}},
		{"large surface", "authz/a.go", "// Package authz …\npackage authz\n\n// Names.\nconst (\n" + constants(most-3) + ")\n",
			"the surface is small", []string{fmt.Sprintf("the public packages export %d names (authz %d, store 3, store/storetest 1), over %d", most+1, most-3, most)}},
		{"surface just small enough", "authz/a.go", "// Package authz …\npackage authz\n\n// Names.\nconst (\n" + constants(most-10) +
			")\n\n// I has members.\ntype I interface{ A(); B() }\n\n// String is documented.\nfunc (i I) String() {}\n\n// T has a field.\ntype T struct{ F, g int }\n",
			"the surface is small", nil},
		{"one name more", "authz/a.go", "// Package authz …\npackage authz\n\n// Names.\nconst (\n" + constants(most-10) +
			")\n\n// I has members.\ntype I interface{ A(); B() }\n\n// String is documented.\nfunc (i I) String() {}\n\n// T has fields.\ntype T struct{ F, G int }\n",
			"the surface is small", []string{fmt.Sprintf("the public packages export %d names", most+1)}},
		{"surface of internal packages", "authz/internal/x/a.go", "// Package x …\npackage x\n\n// Names.\nconst (\n" + constants(most) + ")\n",
			"the surface is small", nil},
		{"somebody", "store/a.go", "package store\n\n// the other: this\nvar his = 1\n\n// f is for\n// Whoever asks.\nfunc f() { panic(`ask him`) }\n",
			"people are they", []string{"store/a.go:7: \"Whoever\"", "store/a.go:4: \"his\"", "store/a.go:8: \"him\""}},
		{"retired name", "store/a.go", "package store\n\ntype ear struct{ claim int }\n",
			"one thing has one name", []string{"store/a.go:3: the name ear is retired: what hears of changes is a listener"}},
		{"name retired in a folder", "authn/apikey/a.go", "package apikey\n\nvar claim, claims int\n",
			"one thing has one name", []string{"authn/apikey/a.go:3: the name claim is retired: what the shape"}},
		{"unargued", "authz/a.go", "// Package authz has three lines of comments.\npackage authz\n\n// a is one more,\n// and b follows.\nvar a = 1 // not this one\nvar b = `\n// nor this one`\nvar c = 1\nvar d = 1\nvar e = 1\nvar f = 1\nvar g = 1\n",
			"safety is argued", []string{"authz: 3 of 13 lines are comments, want a quarter"}},
		{"just argued", "authz/a.go", "// Package authz has three lines of comments.\npackage authz\n\n// a is one more,\n// and b follows.\nvar a = 1 // not this one\nvar b = `\n// nor this one`\nvar c = 1\nvar d = 1\nvar e = 1\nvar f = 1\n",
			"safety is argued", nil},
	}
	tried := map[string]bool{}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files := maps.Clone(sound)
			files[tt.path] = tt.source
			if strings.Contains(tt.path, "%d") { // a package full of files
				delete(files, tt.path)
				for i := range mostFiles {
					files[fmt.Sprintf(tt.path, i)] = tt.source
				}
			}
			got := broken(t, files)[tt.rule]
			for i := range got {
				if i < len(tt.want) && strings.HasPrefix(got[i], tt.want[i]) {
					got[i] = tt.want[i]
				}
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("messages (-want, as they begin; +got):\n%s", d)
			}
		})
		tried[tt.rule] = true
	}
	for _, r := range rules {
		if !tried[r.name] {
			t.Errorf("no source here breaks the rule %q: add one", r.name)
		}
	}
}

func TestSound(t *testing.T) {
	if d := cmp.Diff(map[string][]string{}, broken(t, sound)); d != "" {
		t.Errorf("the sound tree breaks rules (-want +got):\n%s", d)
	}
}

func TestLoadSyntaxError(t *testing.T) {
	if _, err := load(fstest.MapFS{"a.go": {Data: []byte("packag a")}}); err == nil {
		t.Error("a file that does not parse was passed over")
	}
}

// broken returns the messages of every rule that files break.
func broken(t *testing.T, files map[string]string) map[string][]string {
	t.Helper()
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	tr, err := load(fsys)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]string{}
	for _, r := range rules {
		if messages := r.check(tr); messages != nil {
			found[r.name] = messages
		}
	}
	return found
}

// methodsOf declares n methods of a receiver.
func methodsOf(receiver string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "// M%[2]d is one.\nfunc (%[1]s) M%[2]d() {}\n", receiver, i)
	}
	return b.String()
}

// constants declares n exported names.
func constants(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "\tC%d = %d\n", i, i)
	}
	return b.String()
}

package archtest

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// root is the module that users import. Everything else is nested in it.
const root = "medtwin.ai/tollgate"

// A tree is the source of all modules, as it lies on disk.
type tree struct {
	used    []string // directories that go.work uses
	modules []module
	files   []*file
}

// A module is one go.mod.
type module struct {
	dir, path string   // "." is the root module
	requires  []string // module paths, without those marked indirect
}

// A file is one Go file, with its comments but without types: the rules here
// need none, and so they also work while a package does not compile.
type file struct {
	path   string // from the root of the repository, with slashes
	dir    string // its folder, "." for the root
	module string // the folder of its go.mod
	test   bool
	lines  int
	syntax *ast.File
	fset   *token.FileSet
}

// at returns "path:line: " of a position, the start of every message.
func (f *file) at(p token.Pos) string {
	return fmt.Sprintf("%s:%d: ", f.path, f.fset.Position(p).Line)
}

// imports returns the import paths of f with the place of each.
func (f *file) imports(visit func(spec *ast.ImportSpec, path string)) {
	for _, spec := range f.syntax.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err == nil {
			visit(spec, p)
		}
	}
}

// helper reports whether dir is for tests to import: storetest and its like, and
// testkit. It follows the rules of tests where those are about what code is for.
func helper(dir string) bool {
	return dir != "internal/archtest" && strings.HasSuffix(dir, "test") || dir == "internal/testkit"
}

// checks reports whether f belongs to tests: it is one or a suite for them.
func (f *file) checks() bool { return f.test || helper(f.dir) }

// load reads the tree in fsys. It does not look into hidden folders and
// testdata, which the go command does not build either.
func load(fsys fs.FS) (*tree, error) {
	t := &tree{}
	fset := token.NewFileSet()
	err := fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if p != "." && (name[0] == '.' || name[0] == '_' || name == "testdata") {
				return fs.SkipDir
			}
			return nil
		}
		if name != "go.mod" && name != "go.work" && path.Ext(name) != ".go" {
			return nil
		}
		text, err := fs.ReadFile(fsys, p)
		if err != nil {
			return err
		}
		switch {
		case p == "go.work":
			for _, arg := range directives(text, "use") {
				t.used = append(t.used, path.Clean(arg))
			}
		case name == "go.mod":
			m := module{dir: path.Dir(p), requires: directives(text, "require")}
			m.path = strings.Join(directives(text, "module"), " ")
			t.modules = append(t.modules, m)
		case path.Ext(name) == ".go":
			syntax, err := parser.ParseFile(fset, p, text, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			t.files = append(t.files, &file{
				path: p, dir: path.Dir(p), test: strings.HasSuffix(p, "_test.go"),
				lines: bytes.Count(text, []byte("\n")), syntax: syntax, fset: fset,
			})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, f := range t.files {
		f.module = "."
		for _, m := range t.modules {
			if within(f.dir, m.dir) && len(m.dir) > len(f.module) {
				f.module = m.dir
			}
		}
	}
	return t, nil
}

// within reports whether dir is parent or below it.
func within(dir, parent string) bool { return dir == parent || strings.HasPrefix(dir, parent+"/") }

// directives returns the first argument of every line of a go.mod or go.work
// with the verb, alone or in a block, but for lines marked indirect.
func directives(text []byte, verb string) []string {
	var found []string
	block := false
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		switch {
		case len(words) == 0 || strings.HasPrefix(words[0], "//"):
		case block && words[0] == ")":
			block = false
		case len(words) > 1 && words[0] == verb && words[1] == "(":
			block = true
		case strings.HasSuffix(strings.TrimSpace(line), "// indirect"):
		case block:
			found = append(found, strings.Trim(words[0], `"`))
		case len(words) > 1 && words[0] == verb:
			found = append(found, strings.Trim(words[1], `"`))
		}
	}
	slices.Sort(found)
	return found
}

package archtest

import (
	"fmt"
	"go/ast"
	"path"
	"slices"
	"strings"
)

// may says, for every package of the root module, what else of that module it
// imports. Tests may import all of it.
var may = map[string][]string{
	".": {"internal/loglimit", "internal/recall", "internal/request", "internal/retention", "internal/suggest", "keyfmt", "problem", "authz", "ratelimit", "store",
		"authn", "authn/apikey", "authn/session", "authn/password", "authn/login"},
	"portal":              {"internal/suggest", "portal/wire", "problem", "keyfmt", "authz", "ratelimit", "store", "authn", "authn/apikey", "authn/session", "authn/password", "authn/login", "."},
	"routertest":          {"keyfmt", "problem", "authz", "authz/authztest", "authn", "store", "store/memory", "."},
	"portal/wire":         {"internal/suggest", "problem"},
	"webhook":             {"keyfmt"},
	"secretscan":          {"internal/loglimit", "problem", "ratelimit"},
	"internal/archtest":   nil,
	"internal/request":    nil,
	"internal/suggest":    nil,
	"internal/testkit":    nil, // for tests alone
	"internal/watch":      nil,
	"internal/recall":     {"store", "authn"},
	"internal/retention":  {"store"},
	"keyfmt":              nil,
	"problem":             {"internal/request", "internal/watch"},
	"authz":               {"internal/loglimit", "internal/request", "internal/suggest", "internal/watch", "problem"},
	"authz/authztest":     {"internal/watch", "authz"},
	"ratelimit":           {"internal/loglimit", "internal/request", "problem"},
	"ratelimit/limittest": {"ratelimit"},
	"store":               {"keyfmt", "authz"},
	"store/guard":         {"keyfmt", "authz", "store"},
	"store/sqlkit":        {"authz", "store"},
	"store/memory":        {"keyfmt", "authz", "store", "store/guard"},
	"store/storetest":     {"keyfmt", "authz", "store"},
	"internal/loglimit":   nil,
	"internal/overlay":    {"store"}, // for tests alone
	"authn":               {"internal/loglimit", "internal/request", "problem", "authz"},
	"authn/apikey":        {"internal/loglimit", "internal/recall", "keyfmt", "authz", "store", "authn"},
	"authn/session":       {"internal/loglimit", "internal/recall", "keyfmt", "problem", "authz", "store", "authn"},
	"authn/password":      nil,
	"authn/authntest":     {"internal/overlay", "keyfmt", "authz", "store", "store/memory", "store/storetest", "authn", "authn/apikey", "authn/session"},
	"authn/login":         {"internal/loglimit", "keyfmt", "problem", "authz", "store", "ratelimit", "authn", "authn/session", "authn/password"},
}

// direction keeps the arrows of docs/architecture.md.
func direction(t *tree) []string {
	var broken []string
	for _, f := range t.files {
		allowed, known := may[f.dir]
		if f.module == "." && !known {
			broken = append(broken, f.path+": package "+f.dir+" has no place in the import order: "+
				"name it in the table may of internal/archtest with what it imports, or make it part of a package that is there")
			continue
		}
		f.imports(func(spec *ast.ImportSpec, p string) {
			to, ours := local(p)
			if !ours || to == f.dir {
				return
			}
			if why := misplaced(t, f, to, allowed); why != "" {
				broken = append(broken, f.at(spec.Pos())+f.dir+" imports "+to+": "+why)
			}
		})
	}
	return broken
}

// local returns the folder of an import path of this repository.
func local(p string) (dir string, ours bool) {
	if p == root {
		return ".", true
	}
	return strings.CutPrefix(p, root+"/")
}

// misplaced says why f may not import the folder to, or "".
func misplaced(t *tree, f *file, to string, allowed []string) string {
	for _, m := range t.modules {
		if m.dir != "." && m.dir != f.module && within(to, m.dir) {
			switch top, _, _ := strings.Cut(m.dir, "/"); {
			case top != "adapters":
				return "nothing imports " + top + "/: move what both need into a package of the root module"
			case f.module != "examples" && f.module != "benchmarks":
				return "nothing but examples and benchmarks imports adapters: declare an interface where it is used, and let the program connect the two"
			default:
				return ""
			}
		}
	}
	switch {
	case within(to, f.module) && f.module != ".":
		return "" // inside one nested module
	case f.module != ".":
		return outside(f, to)
	case f.test || slices.Contains(allowed, to):
		return ""
	case len(allowed) == 0:
		return "it is a leaf and imports nothing of this module: pass the value in, or move the code up to the package that has both"
	}
	return fmt.Sprintf("it may import only %s: declare a small interface here, or move the code up to a package that may import both",
		strings.Join(allowed, ", "))
}

// outside says why f, of a nested module, may not import the folder to of the
// root module, or "".
func outside(f *file, to string) string {
	if within(to, "internal") {
		return "nested modules never import the root's internal/, though the compiler lets them: their versions differ one day; make it public or do without"
	}
	name := path.Base(f.module)
	var allowed []string
	switch {
	case f.module == "examples" || f.module == "benchmarks" || f.test:
		return ""
	case within(f.module, "adapters") && strings.HasSuffix(name, "store"):
		allowed = []string{"keyfmt", "authz", "store", "store/guard", "store/sqlkit", "ratelimit"}
	case within(f.module, "adapters"):
		allowed = []string{".", "authn", "authz", "ratelimit", "problem"}
	}
	if slices.Contains(allowed, to) {
		return ""
	}
	return fmt.Sprintf("%s may import of the root module only [%s]: what it lacks belongs behind an interface of one of these",
		f.module, strings.Join(allowed, " "))
}

// permitted are the modules that the root module may require, and whether
// only for tests.
var permitted = map[string]bool{
	"golang.org/x/crypto":          false,
	"golang.org/x/text":            false, // Unicode normalisation of passwords and addresses, which the standard library lacks
	"github.com/golang-jwt/jwt/v5": false,
	"github.com/google/go-cmp":     true,
}

// dependencies keeps the root module light: what it requires enters the module
// graph, version selection and vulnerability scans of everyone who imports it.
func dependencies(t *tree) []string {
	const instead = ": put what needs it into a nested module under adapters/ (or benchmarks/ for a peer, tools/ for a tool)"
	var broken []string
	for _, m := range t.modules {
		for _, path := range m.requires {
			if _, ok := permitted[path]; !ok && m.dir == "." {
				broken = append(broken, "go.mod: the root module requires "+path+", and so would everyone who imports it"+instead)
			}
		}
	}
	for _, f := range t.files {
		if f.module != "." {
			continue
		}
		f.imports(func(spec *ast.ImportSpec, p string) {
			first, _, _ := strings.Cut(p, "/")
			if _, ours := local(p); ours || !strings.Contains(first, ".") {
				return
			}
			for path, testOnly := range permitted {
				if within(p, path) && (f.checks() || !testOnly) {
					return
				}
			}
			broken = append(broken, f.at(spec.Pos())+p+" is not for code of the root module"+instead)
		})
	}
	return broken
}

// helpers keeps the suites, and package testing with its flags, out of
// programs.
func helpers(t *tree) []string {
	var broken []string
	for _, f := range t.files {
		if f.checks() {
			continue
		}
		f.imports(func(spec *ast.ImportSpec, p string) {
			if dir, ours := local(p); ours && helper(dir) || within(p, "testing") {
				broken = append(broken, f.at(spec.Pos())+p+
					" is for tests, and would be linked into programs: import it from a _test.go file or a folder named …test")
			}
		})
	}
	return broken
}

// aliases keeps one name for a package everywhere.
func aliases(t *tree) []string {
	var broken []string
	for _, f := range t.files {
		f.imports(func(spec *ast.ImportSpec, p string) {
			if spec.Name != nil && spec.Name.Name != "_" {
				broken = append(broken, f.at(spec.Pos())+p+" is imported as "+spec.Name.Name+
					": a reader should know a package by its own name; where two collide, use them in different files")
			}
		})
	}
	return broken
}

// randomness keeps predictable numbers out of programs.
func randomness(t *tree) []string {
	var broken []string
	for _, f := range t.files {
		if f.checks() {
			continue
		}
		f.imports(func(spec *ast.ImportSpec, p string) {
			if within(p, "math/rand") {
				broken = append(broken, f.at(spec.Pos())+p+
					" can be predicted, and sooner or later makes a secret: use crypto/rand; for tests, a _test.go file")
			}
		})
	}
	return broken
}

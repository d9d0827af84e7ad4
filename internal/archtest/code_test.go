package archtest

import (
	"fmt"
	"go/ast"
	"maps"
	"slices"
	"strings"
)

// longest is the number of lines that a file may have.
const longest = 500

// size keeps files readable in one sitting.
func size(t *tree) []string {
	var broken []string
	for _, f := range t.files {
		if f.lines > longest {
			broken = append(broken, fmt.Sprintf("%s: %d lines, over %d: it holds more than one concept; give the second a file of its own",
				f.path, f.lines, longest))
		}
	}
	return broken
}

// mostFiles is the number of files that a package may have, without tests.
const mostFiles = 25

// packages keeps a package small enough to be known by one reader.
func packages(t *tree) []string {
	count := map[string]int{}
	for _, f := range t.files {
		if !f.test {
			count[f.dir]++
		}
	}
	var broken []string
	for _, dir := range slices.Sorted(maps.Keys(count)) {
		if count[dir] > mostFiles {
			broken = append(broken, fmt.Sprintf("%s: %d files without tests, over %d: nobody has so many in mind; "+
				"make a package of the files that belong together and need little of the others, or merge files of one concept that are short",
				dir, count[dir], mostFiles))
		}
	}
	return broken
}

// mostMethods is the number of methods that a type may have, without tests. Of the types of
// the library those count that users can call: a reader of a program meets them all.
const mostMethods = 25

// methods keeps a type to one task.
func methods(t *tree) []string {
	type typ struct{ dir, name string }
	count := map[typ]int{}
	first := map[typ]string{}
	for _, f := range t.files {
		if f.test {
			continue
		}
		for _, d := range f.syntax.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Recv == nil || f.module != "examples" && !fn.Name.IsExported() {
				continue
			}
			of := typ{f.dir, receiver(fn)}
			if count[of]++; count[of] == 1 {
				first[of] = f.at(fn.Pos())
			}
		}
	}
	var broken []string
	for of, n := range count {
		if n > mostMethods {
			broken = append(broken, fmt.Sprintf("%stype %s of %s has %d methods, over %d: it has more than one task, and each method can change what the others rely on; "+
				"give a part of its fields a type with the methods that use only those, and make functions of methods that need no field",
				first[of], of.name, of.dir, n, mostMethods))
		}
	}
	slices.Sort(broken)
	return broken
}

// workspace keeps make test complete: it reads the modules from go.work.
func workspace(t *tree) []string {
	var broken []string
	for _, m := range t.modules {
		if !slices.Contains(t.used, m.dir) {
			broken = append(broken, m.dir+"/go.mod: go.work does not use this module, so make test would pass it by: run go work use ./"+m.dir)
		}
	}
	return broken
}

// inits keeps import free of effects, so that only what is called runs.
func inits(t *tree) []string {
	var broken []string
	for _, f := range t.files {
		for _, d := range f.syntax.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				broken = append(broken, f.at(fn.Pos())+"init runs before main can choose: do it in the constructor, or in the value of the variable")
			}
		}
	}
	return broken
}

// state keeps packages without variables that anyone may change. Errors to
// compare with are the exception that Go makes everywhere.
func state(t *tree) []string {
	var broken []string
	for _, f := range t.files {
		if f.test {
			continue
		}
		for _, e := range exports(f) {
			if e.kind == "var" && !strings.HasPrefix(e.name, "Err") {
				broken = append(broken, f.at(e.pos)+e.name+
					" can be changed by every importer while requests run: make it a constant, a function, or a field of a Config")
			}
		}
	}
	return broken
}

// constructors keeps background work in a Run that the caller owns.
func constructors(t *tree) []string {
	var broken []string
	for _, f := range t.files {
		if f.checks() || within(f.dir, "examples") {
			continue
		}
		for _, d := range f.syntax.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Recv != nil || fn.Body == nil || !strings.HasPrefix(strings.ToLower(fn.Name.Name), "new") {
				continue
			}
			ast.Inspect(fn.Body, func(n ast.Node) bool {
				if g, ok := n.(*ast.GoStmt); ok {
					broken = append(broken, f.at(g.Pos())+fn.Name.Name+
						" starts a goroutine that its caller can neither wait for nor stop: move it into a method Run(ctx) error")
				}
				return true
			})
		}
	}
	return broken
}

// writers keeps Flush, Hijack, server-sent events and WebSocket working behind
// every handler here.
func writers(t *tree) []string {
	var broken []string
	for _, f := range t.files {
		if f.checks() {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			s, ok := n.(*ast.StructType)
			if !ok {
				return true
			}
			for _, field := range s.Fields.List {
				if len(field.Names) == 0 && selected(field.Type, "http", "ResponseWriter") {
					broken = append(broken, f.at(field.Pos())+
						"a struct that embeds http.ResponseWriter hides its Flush and Hijack: set headers before the handler runs, or log around it without the status")
				}
			}
			return true
		})
	}
	return broken
}

// waits keeps tests fast and honest: a sleep is a race with a slow machine, a
// skipped test is one that nobody runs.
func waits(t *tree) []string {
	var broken []string
	for _, f := range t.files {
		if !f.checks() {
			continue
		}
		bubbles, runners := bubbles(f.syntax), runners(f.syntax)
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			inside := slices.ContainsFunc(bubbles, func(b ast.Node) bool { return b.Pos() <= sel.Pos() && sel.End() <= b.End() })
			if selected(sel, "time", "Sleep") && !inside {
				broken = append(broken, f.at(sel.Pos())+
					"a test that sleeps is slow or flaky: pass the time in, or run it inside synctest.Test, where sleeping takes no time")
			}
			x, ok := sel.X.(*ast.Ident)
			if ok && runners[x.Name] && slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, sel.Sel.Name) {
				broken = append(broken, f.at(sel.Pos())+
					"a skipped test looks like a passed one: fail, and let tools/setup install what is missing")
			}
			return true
		})
	}
	return broken
}

// tables keeps the rows of a test in the order in which they are written.
func tables(t *tree) []string {
	var broken []string
	for _, f := range t.files {
		if !f.checks() {
			continue
		}
		shared := map[string]bool{}
		for _, d := range f.syntax.Decls {
			if _, ok := d.(*ast.GenDecl); ok {
				namedMaps(d, shared)
			}
		}
		runners := runners(f.syntax)
		for _, d := range f.syntax.Decls {
			named := maps.Clone(shared)
			namedMaps(d, named)
			ast.Inspect(d, func(n ast.Node) bool {
				r, ok := n.(*ast.RangeStmt)
				if !ok {
					return true
				}
				x, ok := r.X.(*ast.Ident)
				if mapLiteral(r.X) || ok && named[x.Name] && runs(r.Body, runners) {
					broken = append(broken, f.at(r.Pos())+
						"a table that is a map runs its rows in another order each time, so a failure may not come again: make it a slice of structs with a field name, and run each row in t.Run(tt.name, …)")
				}
				return true
			})
		}
	}
	return broken
}

// namedMaps adds to names the variables that begin as a map literal in n.
func namedMaps(n ast.Node, names map[string]bool) {
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ValueSpec:
			for i, v := range n.Values {
				if mapLiteral(v) {
					names[n.Names[i].Name] = true
				}
			}
		case *ast.AssignStmt:
			for i, v := range n.Rhs {
				if x, ok := n.Lhs[i].(*ast.Ident); ok && mapLiteral(v) {
					names[x.Name] = true
				}
			}
		}
		return true
	})
}

// mapLiteral reports whether e is map[K]V{…}.
func mapLiteral(e ast.Expr) bool {
	lit, ok := e.(*ast.CompositeLit)
	if !ok {
		return false
	}
	_, ok = lit.Type.(*ast.MapType)
	return ok
}

// runs reports whether body calls the method Run of one of runners.
func runs(body ast.Node, runners map[string]bool) bool {
	found := false
	ast.Inspect(body, func(n ast.Node) bool {
		for name := range runners {
			if e, ok := n.(ast.Expr); ok && selected(e, name, "Run") {
				found = true
			}
		}
		return true
	})
	return found
}

// bubbles returns the calls of synctest.Test in f, where time is not real.
func bubbles(f *ast.File) []ast.Node {
	var found []ast.Node
	ast.Inspect(f, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok && selected(call.Fun, "synctest", "Test") {
			found = append(found, call)
		}
		return true
	})
	return found
}

// runners returns the names that f gives to parameters of the types *testing.T,
// B and F, and testing.TB.
func runners(f *ast.File) map[string]bool {
	names := map[string]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		fn, ok := n.(*ast.FuncType)
		if !ok {
			return true
		}
		for _, p := range fn.Params.List {
			typ := p.Type
			if star, ok := typ.(*ast.StarExpr); ok {
				typ = star.X
			}
			for _, name := range p.Names {
				for _, kind := range []string{"T", "B", "F", "TB"} {
					if selected(typ, "testing", kind) {
						names[name.Name] = true
					}
				}
			}
		}
		return true
	})
	return names
}

// selected reports whether e is pkg.name.
func selected(e ast.Expr, pkg, name string) bool {
	sel, ok := e.(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != name {
		return false
	}
	x, ok := sel.X.(*ast.Ident)
	return ok && x.Name == pkg
}

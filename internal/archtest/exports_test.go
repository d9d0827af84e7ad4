package archtest

import (
	"fmt"
	"go/ast"
	"go/token"
	"maps"
	"slices"
	"strings"
)

// most bounds the exported names of all public packages: what a release promises to
// keep. Suites, backends, methods that every Go programmer knows and the fields of
// every Config count, for all of them can be typed. There are about 1,230. Some 495 are
// fields; the 730 others compare with the 28 of golang.org/x/time/rate and the 136 of
// log/slog, whose fields are not counted.
//
// Few programs meet most of them. Package tollgate has 64, 32 of them fields, and the
// programs in the README type 9 names and 11 fields. The parts that a gate is made
// of have 540, for programs that compose them; the store, its backends and its suites
// 360, for those who write or run one, and the test servers of this repository 59. Of the
// 360 package sqlkit has 64: nested modules do not import internal packages, so what
// pgstore and sqlitestore share is public. The bound leaves room for a few more: what
// needs a package of its own should take another away.
//
// The four adapters for routers have 26 and their suite 7; a program meets one of them.
//
// Packages webhook and secretscan have 86, which stand apart: no other package types them.
// 45 are fields, and 14 belong to the interfaces of their stores, so that applications
// keep endpoints and reports in tables of their own.
const most = 1235

// surface keeps what a user can type small.
func surface(t *tree) []string {
	total, parts := exported(t)
	if total <= most {
		return nil
	}
	return []string{fmt.Sprintf("the public packages export %d names (%s), over %d: unexport what only one package uses, or raise the bound and say why",
		total, parts, most)}
}

// exported counts every name that importers can type: types, functions, methods,
// constants, variables, fields, and the methods of interfaces. parts has the figure
// of every package.
func exported(t *tree) (total int, parts string) {
	count := map[string]int{}
	for _, f := range t.files {
		if f.test || !public(f) {
			continue
		}
		count[f.dir] += len(exports(f)) + fields(f.syntax)
	}
	var list []string
	for _, dir := range slices.Sorted(maps.Keys(count)) {
		if count[dir] > 0 {
			list = append(list, fmt.Sprint(dir, " ", count[dir]))
		}
		total += count[dir]
	}
	return total, strings.Join(list, ", ")
}

// public reports whether others may import the package of f.
func public(f *file) bool {
	for _, part := range strings.Split(f.dir, "/") {
		if part == "internal" {
			return false
		}
	}
	return f.module == "." || within(f.module, "adapters")
}

// fields counts the exported fields of exported types.
func fields(syntax *ast.File) (n int) {
	for _, d := range syntax.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range g.Specs {
			typ, ok := spec.(*ast.TypeSpec)
			if !ok || !typ.Name.IsExported() {
				continue
			}
			body, ok := typ.Type.(*ast.StructType)
			if !ok {
				continue
			}
			for _, field := range body.Fields.List {
				for _, name := range field.Names {
					if name.IsExported() {
						n++
					}
				}
			}
		}
	}
	return n
}

// documented keeps go doc worth reading. Programs and tests are read as code.
func documented(t *tree) []string {
	const why = ": go doc is where users look first; say what it is for, with units, errors and source"
	var broken []string
	comment := map[string]bool{} // package folder → has a package comment
	for _, f := range t.files {
		if f.test || within(f.dir, "examples") {
			continue
		}
		comment[f.dir] = comment[f.dir] || f.syntax.Doc != nil
		for _, e := range exports(f) {
			if !e.documented {
				broken = append(broken, f.at(e.pos)+e.kind+" "+e.name+" has no comment"+why)
			}
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(comment)) {
		if !comment[dir] {
			broken = append(broken, dir+": the package has no comment"+why)
		}
	}
	return broken
}

// An export is one exported name: a type, func, method, const, var, or member
// of an interface. Fields are not listed.
type export struct {
	kind, name string
	pos        token.Pos
	documented bool
}

// exports lists what f exports. A comment on a group speaks for its members,
// one on an interface for its methods.
func exports(f *file) []export {
	var list []export
	add := func(kind, name string, pos token.Pos, docs ...*ast.CommentGroup) {
		documented := slices.ContainsFunc(docs, func(d *ast.CommentGroup) bool { return d != nil })
		list = append(list, export{kind, name, pos, documented})
	}
	for _, d := range f.syntax.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if !d.Name.IsExported() {
				continue
			}
			if d.Recv == nil {
				add("func", d.Name.Name, d.Pos(), d.Doc)
			} else if recv := receiver(d); ast.IsExported(recv) {
				add("method", recv+"."+d.Name.Name, d.Pos(), d.Doc)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch spec := spec.(type) {
				case *ast.ValueSpec:
					for _, name := range spec.Names {
						if name.IsExported() {
							add(d.Tok.String(), name.Name, name.Pos(), d.Doc, spec.Doc, spec.Comment)
						}
					}
				case *ast.TypeSpec:
					if !spec.Name.IsExported() {
						continue
					}
					add("type", spec.Name.Name, spec.Pos(), d.Doc, spec.Doc)
					body, ok := spec.Type.(*ast.InterfaceType)
					if !ok {
						continue
					}
					for _, m := range body.Methods.List {
						for _, name := range m.Names {
							if name.IsExported() {
								add("member", spec.Name.Name+"."+name.Name, name.Pos(), d.Doc, spec.Doc, m.Doc, m.Comment)
							}
						}
					}
				}
			}
		}
	}
	return list
}

// receiver returns the name of the type that d is a method of.
func receiver(d *ast.FuncDecl) string {
	typ := d.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	switch generic := typ.(type) {
	case *ast.IndexExpr:
		typ = generic.X
	case *ast.IndexListExpr:
		typ = generic.X
	}
	if name, ok := typ.(*ast.Ident); ok {
		return name.Name
	}
	return ""
}

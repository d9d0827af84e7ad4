package archtest

import (
	"fmt"
	"go/ast"
	"go/token"
	"maps"
	"slices"
	"strings"
)

// most and aim bound the exported names of the core packages: what a user has
// to read before trusting them. The last five to be added let an application
// choose the form of its errors, and tell bad input from an outage of a store.
const most, aim = 185, 150

// surface keeps the core packages small.
func surface(t *tree) []string {
	total, parts := exported(t)
	if total <= most {
		return nil
	}
	return []string{fmt.Sprintf("the core packages export %d names (%s), over %d: unexport what only one package uses, and move what few need into a package beside",
		total, parts, most)}
}

// exported counts the exported names of the core packages: types, functions,
// methods, constants and variables. Members of a type, be they fields or the
// methods of an interface, are read with it and not counted, and standard methods
// nobody has to read. parts has the figure of every package.
func exported(t *tree) (total int, parts string) {
	count := map[string]int{}
	known := 0
	for _, f := range t.files {
		if !slices.Contains(core, f.dir) || f.test {
			continue
		}
		for _, e := range exports(f) {
			if e.kind == "member" {
				continue
			}
			if _, name, _ := strings.Cut(e.name, "."); e.kind == "method" && slices.Contains(standard, name) {
				known++
				continue
			}
			count[f.dir]++
		}
	}
	var list []string
	for _, dir := range slices.Sorted(maps.Keys(count)) {
		list = append(list, fmt.Sprint(dir, " ", count[dir]))
		total += count[dir]
	}
	return total, fmt.Sprintf("%s; besides %d standard methods such as String", strings.Join(list, ", "), known)
}

// standard are methods that every Go programmer knows.
var standard = []string{
	"Equal", "Error", "Format", "GoString", "Is", "IsZero", "LogValue", "MarshalJSON", "MarshalText",
	"ServeHTTP", "String", "UnmarshalJSON", "UnmarshalText", "Unwrap",
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

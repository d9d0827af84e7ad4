package archtest

import (
	"fmt"
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strings"
)

// person finds the words that say of a caller more than the code knows.
var person = regexp.MustCompile(`(?i)\b(he|him|his|himself|whoever)\b`)

// persons keeps one name for people: the caller, the user, they.
func persons(t *tree) []string {
	var broken []string
	for _, f := range t.files {
		if f.dir == "internal/archtest" {
			continue // names the words
		}
		look := func(n ast.Node, text string) {
			if word := person.FindString(text); word != "" {
				broken = append(broken, fmt.Sprintf("%s:%d: %q: say the caller, the user, they", f.path, f.fset.Position(n.Pos()).Line, word))
			}
		}
		for _, group := range f.syntax.Comments {
			for _, c := range group.List {
				look(c, c.Text)
			}
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.Ident:
				look(n, n.Name)
			case *ast.BasicLit:
				if n.Kind == token.STRING {
					look(n, n.Value)
				}
			}
			return true
		})
	}
	return broken
}

// retired are names that the glossary of CONTRIBUTING.md has replaced, with what
// to say instead. Those of them that mean something else elsewhere are retired
// only in some folders, and what is below them.
var retired = []struct {
	name, say string
	in        []string // none: everywhere
}{
	{"asker", "a compiled need is a Requirement, and who makes the request is the caller", nil},
	{"question", "what is decided is a Request", []string{"authz"}},
	{"box", "a set per dimension is a grant", nil},
	{"fails", "the first dimension that does not fit is firstMismatch", []string{"authz"}},
	{"looks", "what changes nothing is readOnly", nil},
	{"looksOnly", "what changes nothing is readOnly", nil},
	{"outlast", "an entry is used on by serveDuringOutage", nil},
	{"settle", "what follows from the first use of a key is done by finishFirstUse", nil},
	{"claim", "what the shape of a token tells is a parsedToken", []string{"authn/apikey", "authn/session", "keyfmt"}},
	{"plain", "say what the value is: validID, safe, lowered", []string{"authn", "authz", "internal/recall"}},
	{"miss", "say what was not found: notFound", []string{"authn", "authz", "internal"}},
	{"ear", "what hears of changes is a listener", nil},
	{"lip", "what tells of changes is a sender", nil},
	{"lane", "a bound on concurrent work is a semaphore; Argon2id has lanes", nil},
	{"gate", "a bound on concurrent work is a semaphore; a gate is a tollgate.Gate", []string{"authn/apikey", "authn/password"}},
	{"patience", "a bound on a wait is named after it: readTimeout, slotTimeout", nil},
	{"Later", "what a handler checks is CheckedByHandler", []string{"authz"}},
	{"Whole", "all of a kind is AllOf", []string{"authz"}},
	{"Hide", "a denial that is answered with 404 is HideDenial", []string{"authz"}},
	{"Unpeppered", "what is unsafe says so: InsecureUnpeppered", nil},
}

// words keeps one name for one thing.
func words(t *tree) []string {
	var broken []string
	for _, f := range t.files {
		if f.dir == "internal/archtest" {
			continue // names the words
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			id, ok := n.(*ast.Ident)
			if !ok {
				return true
			}
			for _, r := range retired {
				if id.Name == r.name && (r.in == nil || slices.ContainsFunc(r.in, func(dir string) bool { return within(f.dir, dir) })) {
					broken = append(broken, f.at(id.Pos())+"the name "+r.name+" is retired: "+r.say)
				}
			}
			return true
		})
	}
	return broken
}

// argued are the folders whose comments carry the argument for the safety of the
// library.
var argued = []string{"authn", "authz", "ratelimit"}

// comments keeps that argument in them: at least a quarter of the lines of each
// of these folders, with what is below it, are lines of comments. Tests and
// suites do not count, nor does a comment behind code.
func comments(t *tree) []string {
	var broken []string
	for _, dir := range argued {
		lines, said := 0, 0
		for _, f := range t.files {
			if f.checks() || f.module != "." || !within(f.dir, dir) {
				continue
			}
			lines += f.lines
			said += f.commentLines()
		}
		if 4*said < lines {
			broken = append(broken, fmt.Sprintf("%s: %d of %d lines are comments, want a quarter: say why an order is safe, what bounds a value, which RFC asks for it",
				dir, said, lines))
		}
	}
	return broken
}

// commentLines returns how many lines of f have a comment and no code.
func (f *file) commentLines() int {
	code := map[int]bool{} // lines with the beginning or the end of something
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		switch n.(type) {
		case nil, *ast.File:
			return n != nil
		case *ast.Comment, *ast.CommentGroup:
			return false
		}
		code[f.fset.Position(n.Pos()).Line], code[f.fset.Position(n.End()).Line] = true, true
		return true
	})
	n := 0
	for _, group := range f.syntax.Comments {
		for _, c := range group.List {
			if line := f.fset.Position(c.Pos()).Line; !code[line] {
				n += 1 + strings.Count(c.Text, "\n")
			}
		}
	}
	return n
}

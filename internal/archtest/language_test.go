package archtest

import (
	"fmt"
	"go/ast"
	"go/token"
	"regexp"
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

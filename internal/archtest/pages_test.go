package archtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every page of docs/ says first what its reader wants to do, and in all pages
// people are they. CONTRIBUTING.md has the words in its glossary.
func TestPages(t *testing.T) {
	const root = "../.."
	found := 0
	for _, pattern := range []string{"*.md", "docs/*.md", "examples/*.md", "examples/*/*.md"} {
		names, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			found++
			name = strings.TrimPrefix(filepath.ToSlash(name), root+"/")
			_, first, _ := strings.Cut(string(text), "\n\n")
			if strings.HasPrefix(name, "docs/") && !strings.HasPrefix(first, "You ") {
				t.Errorf("%s: got %.40q first, want what its reader wants to do: You …", name, first)
			}
			if word := person.FindString(string(text)); word != "" && name != "CONTRIBUTING.md" {
				t.Errorf("%s: got %q, want the caller, the user, they", name, word)
			}
		}
	}
	if found < 10 {
		t.Errorf("got %d pages, want 10 or more", found)
	}
}

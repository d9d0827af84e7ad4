package archtest

import (
	"os"
	"path/filepath"
	"testing"
)

// A rule reports every place that breaks it: where, why that is wrong, and
// where the thing belongs instead.
type rule struct {
	name  string
	check func(*tree) []string
}

var rules = []rule{
	{"workspace lists every module", workspace},
	{"imports go downwards", direction},
	{"the root module depends on little", dependencies},
	{"test helpers stay in tests", helpers},
	{"imports keep their names", aliases},
	{"secrets come from crypto/rand", randomness},
	{"files are short", size},
	{"packages are small", packages},
	{"types have few methods", methods},
	{"exports are documented", documented},
	{"nothing runs at import", inits},
	{"no exported state", state},
	{"constructors start nothing", constructors},
	{"response writers are not wrapped", writers},
	{"tests do not sleep or skip", waits},
	{"test tables are slices", tables},
	{"the surface is small", surface},
	{"people are they", persons},
	{"one thing has one name", words},
	{"safety is argued", comments},
}

func TestTree(t *testing.T) {
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	tr, err := load(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	if len(tr.modules) == 0 || len(tr.files) == 0 {
		t.Fatalf("found %d modules and %d files in %s: the tree is not where this test looks for it",
			len(tr.modules), len(tr.files), dir)
	}
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			for _, broken := range r.check(tr) {
				t.Error(broken)
			}
		})
	}
	total, parts := exported(tr)
	t.Logf("%d exported names in the public packages (%s); the bound is %d", total, parts, most)
}

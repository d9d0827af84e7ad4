package authz_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"medtwin.ai/tollgate/authz"
)

// case A14
func TestSetWhere(t *testing.T) {
	const hostile = `x') OR ('1'='1`
	for _, c := range []struct {
		set  authz.Set
		want string
		args []any
	}{
		{authz.All(), "1 = 1", nil},
		{authz.Set{}, "1 = 0", nil},
		{authz.Of("*"), "1 = 0", nil}, // as Has
		{authz.Of("", "*"), "1 = 0", nil},
		{authz.Of("p1"), "id IN ($3)", []any{"p1"}},
		{authz.Of("p2", "p1", "p2", "*", ""), "id IN ($3, $4)", []any{"p1", "p2"}},
		{authz.Of(hostile), "id IN ($3)", []any{hostile}},
	} {
		var args []any
		got := c.set.Where("id", func(x any) string {
			args = append(args, x)
			return fmt.Sprint("$", 2+len(args))
		})
		if diff := cmp.Diff(c.args, args); diff != "" || got != c.want {
			t.Errorf("{%v}: %s, want %s: %s", c.set, got, c.want, diff)
		}
		for _, x := range args {
			if !c.set.Has(x.(string)) {
				t.Errorf("{%v}: asks for %q, which is not in it", c.set, x)
			}
		}
	}
}

package examples

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// maxAdded is how many lines an existing application may need.
const maxAdded = 30

// Two existing applications are protected in a few lines, and the documentation shows
// which.
func TestAdoption(t *testing.T) {
	page := must(os.ReadFile("../docs/adoption.md"))(t)
	for _, tt := range []struct{ name, original string }{{"nethttp", "nethttp"}, {"chiapp", "chi"}, {"gin", "gin"}, {"echo", "echo"}} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := exec.Command("diff", "-U1", "--label", "before", "--label", "after", "testdata/adoption/"+tt.original+"/main.go", tt.name+"/main.go")
			diff, err := cmd.Output()
			if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) { // 1: they differ
				t.Fatal(err)
			}
			added := 0
			for line := range strings.Lines(string(diff)) {
				if strings.HasPrefix(line, "+") && !strings.HasPrefix(line, "+++") {
					added++
				}
			}
			if added > maxAdded || added == 0 {
				t.Errorf("got %d added lines, want at most %d", added, maxAdded)
			}
			if want := fmt.Appendf(nil, "%d lines are added:\n\n```diff\n%s```\n", added, diff); !bytes.Contains(page, want) {
				t.Errorf("docs/adoption.md does not show the difference as it is:\n%s", want)
			}
		})
	}
}

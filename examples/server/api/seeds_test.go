package api

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const seedHost = "https://api.medtwin.ai"

// snippet is one of the seed documents', with only the host changed.
func snippet(t *testing.T, p *process, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), seedHost, p.BaseURL)
}

// interpret runs a script with the key in the environment.
func interpret(t *testing.T, script, key, interpreter string, flags ...string) string {
	t.Helper()
	cmd := exec.Command(interpreter, flags...)
	cmd.Stdin = strings.NewReader(script)
	cmd.Env = append(os.Environ(), "MEDTWIN_API_KEY="+key)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s\n%s", interpreter, err, script, out)
	}
	return string(out)
}

// python is one that can import requests; make test names it.
func python(t *testing.T) string {
	t.Helper()
	for _, name := range []string{os.Getenv("TOLLGATE_PYTHON"), "python3", "/usr/bin/python3"} {
		if name != "" && exec.Command(name, "-c", "import requests").Run() == nil {
			return name
		}
	}
	t.Fatal("no python with requests: run make test, or apt-get install python3-requests")
	return ""
}

func TestSeedSnippets(t *testing.T) {
	p := start(t, t.TempDir())
	const rubric = "Clarity (live)"
	t.Run("curl, seed 000", func(t *testing.T) {
		if out := interpret(t, snippet(t, p, "seed000/rubrics.sh"), p.LiveKey, "sh"); !strings.Contains(out, rubric) {
			t.Error(out)
		}
	})
	t.Run("curl, seed 001", func(t *testing.T) {
		script := strings.ReplaceAll(snippet(t, p, "seed001/projects.sh"), "mt_live_abc123...", p.LiveKey)
		if out := interpret(t, script, p.LiveKey, "sh"); !strings.Contains(out, "Study A (live)") {
			t.Error(out)
		}
	})
	t.Run("python", func(t *testing.T) {
		script := snippet(t, p, "seed000/rubrics.py") + "\nprint(response.status_code, response.json()['data'][0]['name'])\n"
		if out := interpret(t, script, p.LiveKey, python(t), "-"); !strings.Contains(out, "200 "+rubric) {
			t.Error(out)
		}
	})
	t.Run("javascript", func(t *testing.T) {
		script := snippet(t, p, "seed000/rubrics.mjs") + "\nconsole.log(response.status, (await response.json()).data[0].name);\n"
		if out := interpret(t, script, p.LiveKey, "node", "--input-type=module", "-"); !strings.Contains(out, "200 "+rubric) {
			t.Error(out)
		}
	})
}

// The retry loop of seed 000 meets a real 429 and recovers.
func TestSeedRetryLoop(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir)
	console(t, dir, "accounts", "plan", p.AccountID, "--plan", "enterprise", "--limits", "2-S")
	script := snippet(t, p, "seed000/retry.py") + `
import os
seen, get = [], requests.get
def counted(*args, **kwargs):
    response = get(*args, **kwargs)
    seen.append(response.status_code)
    return response
requests.get = counted
headers = {"Authorization": f"Bearer {os.environ['MEDTWIN_API_KEY']}"}
for _ in range(5):
    assert call_with_retry("` + p.BaseURL + `/v1/rubrics", headers).status_code == 200
assert 429 in seen, seen
print("recovered", seen)
`
	p.within(time.Second, "/v1/whoami", p.LiveKey, func(a answer) bool { return strings.Contains(a.body, `"quota":2,`) })
	if out := interpret(t, script, p.LiveKey, python(t), "-"); !strings.Contains(out, "recovered") {
		t.Error(out)
	}
}

// What the first start prints works when pasted into a shell.
func TestPrintedLines(t *testing.T) {
	p := start(t, t.TempDir())
	var script []string
	for line := range strings.Lines(p.stdout) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "export ") || strings.HasPrefix(line, "curl ") {
			script = append(script, strings.Replace(line, "curl ", "curl -s ", 1))
		}
	}
	out := interpret(t, strings.Join(script, "\n"), "", "bash")
	for _, want := range []string{`{"status":"ok"}`, "Clarity (live)", "Study A (live)", `"environment":"test"`, "HTTP/1.1 401 Unauthorized"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s\nof\n%s", want, out, strings.Join(script, "\n"))
		}
	}
}

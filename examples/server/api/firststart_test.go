package api

import (
	"bufio"
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"medtwin.ai/tollgate/examples/server/database"
	"medtwin.ai/tollgate/examples/server/database/databasetest"
)

// Of servers that are started at once on nothing at all, one makes the demo
// and tells of it, and all serve it under one pepper.
func TestFirstStart(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, name string) {
		const servers = 4
		dir := t.TempDir()
		var all sync.WaitGroup
		var mu sync.Mutex
		var urls, told []string
		var failed bytes.Buffer
		for range servers {
			cmd := program(t, dir, "--database", name, "--listen", "127.0.0.1:0", "--demo-file", "demo.json")
			cmd.Stderr = &lockedLog{}
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				cmd.Process.Signal(syscall.SIGTERM)
				if err := cmd.Wait(); err != nil {
					t.Errorf("%v\n%v", err, cmd.Stderr)
				}
			})
			all.Go(func() {
				text := ""
				for lines := bufio.NewScanner(out); lines.Scan(); text += lines.Text() + "\n" {
					if url, ok := strings.CutPrefix(lines.Text(), "serving on "); ok {
						mu.Lock()
						defer mu.Unlock()
						urls = append(urls, url)
						if strings.Contains(text, "has been made") {
							told = append(told, text)
						}
						return
					}
				}
				mu.Lock()
				defer mu.Unlock()
				failed.WriteString(text + cmd.Stderr.(*lockedLog).String())
			})
		}
		all.Wait()
		if len(urls) != servers || len(told) != 1 {
			t.Fatalf("%d of %d serve, %d tell of a demo\n%s", len(urls), servers, len(told), failed.String())
		}
		p := &process{t: t, dir: dir}
		p.load()
		for _, url := range urls {
			p.BaseURL = url
			for _, tt := range []struct{ path, want string }{{"/v1/projects", "proj_abc123"}, {"/v1/rubrics", "Clarity (live)"}} {
				if a := p.get(tt.path, p.LiveKey); a.status != 200 || strings.Count(a.body, tt.want) != 1 {
					t.Errorf("%s%s: %d %s", url, tt.path, a.status, a.body)
				}
			}
		}
		if !strings.Contains(told[0], p.LiveKey) {
			t.Errorf("the demo file is of another demo than\n%s", told[0])
		}
		p.login(p.Email, p.Password)
		p.login(p.OperatorEmail, p.OperatorPassword)
		files, err := fs.Glob(os.DirFS(dir), "*")
		if err != nil || strings.Join(files, " ") != "demo.json tollgate.pepper" {
			t.Errorf("left in the folder: %v, %v", files, err)
		}
	})
}

// What the first start prints is the whole story that the README promises, and
// its commands do what is said of them when they are pasted into a shell.
func TestFirstStartStory(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir)
	var script, last strings.Builder
	var commands []string
	for line := range strings.Lines(p.stdout) {
		command, ok := strings.CutPrefix(strings.TrimRight(line, "\n"), "  ")
		if !ok || strings.HasPrefix(command, p.Email) || strings.HasPrefix(command, p.OperatorEmail) {
			continue
		}
		commands = append(commands, command)
		fmt.Fprintf(&script, "%s\necho '@@@'\n", command)
	}
	cmd := exec.Command("sh")
	cmd.Stdin, cmd.Stderr = strings.NewReader(script.String()), &last
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &last)
	}
	outputs := strings.Split(string(out), "@@@\n")
	rest := commands
	for _, want := range []struct{ command, output string }{ // in this order
		{"/health", "ok"},
		{"/v1/rubrics", "Clarity (live)"},
		{"/v1/projects", p.ProjectIDs[1]},
		{"/v1/whoami", `"environment":"test"`},
		{"mt_live_wrong", "HTTP/1.1 401"},
		{`echo "$MADE"`, `"key":"mt_live_`},
		{"-X PATCH", `"projects":["` + p.ProjectIDs[0] + `"]`},
		{"Bearer $KEY", p.ProjectIDs[0]},
		{"pick key)\"", p.ProjectIDs[0]},
		{"-X DELETE", "HTTP/1.1 204"},
		{"Bearer $KEY", "HTTP/1.1 401"},
	} {
		i := slices.IndexFunc(rest, func(c string) bool { return strings.Contains(c, want.command) })
		if i < 0 {
			t.Fatalf("got no %q in time among\n%s", want.command, strings.Join(commands, "\n"))
		}
		got := outputs[len(commands)-len(rest)+i]
		if !strings.Contains(got, want.output) {
			t.Errorf("%s: got %q, want it to have %q\n%s", rest[i], got, want.output, &last)
		}
		if strings.Contains(want.command, "Bearer $KEY") && strings.Contains(got, p.ProjectIDs[1]) {
			t.Errorf("%s: got %q, with a project that the key is not limited to", rest[i], got)
		}
		rest = rest[i+1:]
	}
	for _, word := range []string{"Call it", "Log in", "make a key", "shown this once", "Limit it", "Rotate it", "Revoke it"} {
		if !strings.Contains(p.stdout, word) {
			t.Errorf("nothing is said of %q", word)
		}
	}
}

// A later start says how to get new demo credentials, and so they can be got.
func TestRestartTellsOfDemo(t *testing.T) {
	dir := t.TempDir()
	start(t, dir).stop()
	p := start(t, dir)
	if strings.Contains(p.stdout, p.LiveKey) || strings.Contains(p.stdout, p.Password) {
		t.Error("a restart shows secrets")
	}
	told := map[string]string{}
	for line := range strings.Lines(p.stdout) {
		if command, ok := strings.CutPrefix(strings.TrimSpace(line), "server "); ok {
			told[strings.Fields(command)[0]] = console(t, dir, strings.Fields(strings.ReplaceAll(command, "'", ""))...)
		}
	}
	_, key, _ := strings.Cut(told["keys"], "key: ")
	key, _, _ = strings.Cut(key, "\n")
	if a := p.get("/v1/projects", key); a.status != 200 || !strings.Contains(a.body, p.ProjectIDs[0]) {
		t.Errorf("the new key: %d %s\n%s", a.status, a.body, p.stdout)
	}
	_, invitation, _ := strings.Cut(told["users"], "reset: ")
	invitation, _, _ = strings.Cut(invitation, "\n")
	if a := p.do("POST", "/v1/auth/accept", "", `{"token":"`+invitation+`","password":"`+secret+`"}`); a.status != 204 {
		t.Errorf("the invitation: %d %s\n%s", a.status, a.body, p.stdout)
	}
	p.login(p.Email, secret)
}

// The command makes the tables; on those of another release nothing else does
// anything, and it is said what to do.
func TestMigrateCommand(t *testing.T) {
	url := postgres(t)
	run := func(args ...string) string {
		t.Helper()
		cmd := program(t, t.TempDir(), args...)
		cmd.Env = append(os.Environ(), "TOLLGATE_DATABASE="+url)
		out, err := cmd.CombinedOutput()
		if (err == nil) != (len(out) > 0 && !strings.HasPrefix(string(out), "server: ")) {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	for range 2 {
		if out := run("migrate"); out != fmt.Sprintf("the database has version %d\n", database.Newest()) {
			t.Errorf("%s", out)
		}
	}
	db, err := database.Postgres(url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	change := func(sql string) {
		t.Helper()
		if _, err := db.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	change(`DELETE FROM tollgate_server.migrations WHERE version > 1`)
	if out := run("keys", "list"); !strings.Contains(out, "run: server migrate") {
		t.Errorf("%s", out)
	}
	change(`INSERT INTO tollgate_server.migrations VALUES (9, 'later', 9)`)
	for _, args := range [][]string{{"serve", "--listen", "127.0.0.1:0"}, {"migrate"}} {
		if out := run(args...); !strings.Contains(out, "newer release") {
			t.Errorf("%v: %s", args, out)
		}
	}
	change(`UPDATE tollgate_server.migrations SET since = 1`)
	if out := run("migrate"); !strings.Contains(out, "this one works with it") { // as after a deployment that is taken back
		t.Errorf("%s", out)
	}
	change(`DELETE FROM tollgate_server.migrations`)
	change(`INSERT INTO tollgate_server.migrations SELECT v, 'x', 1 FROM generate_series(1, ` + fmt.Sprint(database.Newest()) + `) v`)
	change(`INSERT INTO tollgate_server.webhooks (id, account, url, kinds, created) VALUES ('we_1', 'acct_1', '', '', 0)`)
	for _, want := range []string{"say --yes", "table tollgate_server.webhooks with 1 rows", "table tollgate.keys with 0 rows"} {
		if out := run("migrate", "--to", "0"); !strings.Contains(out, want) {
			t.Errorf("without --yes: %s, want %q", out, want)
		}
	}
	if out := run("migrate", "--to", "1"); !strings.Contains(out, "column resets of tollgate.users") {
		t.Errorf("to version 1 without --yes: %s", out)
	}
	if out := run("migrate", "--to", "0", "--yes"); out != "the database has version 0\n" {
		t.Errorf("%s", out)
	}
	if out := run("users", "list"); !strings.HasPrefix(out, "ID") {
		t.Errorf("an empty database: %s", out)
	}
	sql, err := database.SQL(database.Newest())
	if out := run("migrate", "--print"); err != nil || out != sql {
		t.Errorf("%v, printed %d bytes, want %d", err, len(out), len(sql))
	}
}

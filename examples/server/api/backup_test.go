package api

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"medtwin.ai/tollgate/adapters/pgstore/pgtest"
	"medtwin.ai/tollgate/examples/server/database"
)

// copyFile copies a file as a person would who knows no better.
func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// case T8: a backup that is made while the server writes holds every revocation
// that was acknowledged before it, and every key that was made; what is made of
// it is whole. A copy of the file alone holds neither: it is why there is a
// command.
func TestBackup(t *testing.T) {
	dir := t.TempDir()
	start(t, dir).stop() // which empties the write-ahead log
	p := start(t, dir)
	owner := p.login(p.Email, p.Password)
	writes := p.do("POST", "/v1/api-keys", owner, `{"name":"w","permissions":["write"]}`).member(t, "key")
	made := p.do("POST", "/v1/api-keys", owner, `{"name":"k","permissions":["read"]}`)
	id, key := made.member(t, "id"), made.member(t, "key")
	if a := p.do("DELETE", "/v1/api-keys/"+p.keyID(t), owner, ""); a.status != 204 {
		t.Fatalf("revoke: %d %s", a.status, a.body)
	}

	naive := filepath.Join(t.TempDir(), "copy.db")
	copyFile(t, filepath.Join(dir, "tollgate.db"), naive) // before the log is so long that it is written back
	console(t, dir, "accounts", "plan", "Demo", "--limits", "1000000-M")
	var writing sync.WaitGroup
	stop, busy := make(chan struct{}), make(chan struct{})
	writing.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			if a := p.do("POST", "/v1/projects", writes, `{"name":"made while it is backed up"}`); a.status != 201 {
				t.Errorf("project: %d %s", a.status, a.body)
			}
			if i == 10 {
				close(busy)
			}
		}
	})
	<-busy
	backup := filepath.Join(t.TempDir(), "backup.db")
	out := console(t, dir, "backup", backup)
	close(stop)
	writing.Wait()
	if !strings.Contains(out, backup) {
		t.Errorf("got %q", out)
	}
	if info, err := os.Stat(backup); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v, want mode 0600", info, err)
	}
	p.stop()

	for _, tt := range []struct {
		name, file   string
		revoked, key int // the status of the revoked key, and of the one that was made
	}{
		{"backup", backup, 401, 200},
		{"copy of the file alone", naive, 200, 401},
	} {
		t.Run(tt.name, func(t *testing.T) {
			restored := t.TempDir()
			copyFile(t, tt.file, filepath.Join(restored, "tollgate.db"))
			copyFile(t, filepath.Join(dir, "tollgate.pepper"), filepath.Join(restored, "tollgate.pepper"))
			copyFile(t, filepath.Join(dir, "demo.json"), filepath.Join(restored, "demo.json"))
			r := start(t, restored)
			if a := r.get("/v1/rubrics", r.LiveKey); a.status != tt.revoked {
				t.Errorf("the revoked key: got %d, want %d", a.status, tt.revoked)
			}
			if a := r.get("/v1/rubrics", key); a.status != tt.key {
				t.Errorf("the key %s: got %d, want %d", id, a.status, tt.key)
			}
			if tt.key == 200 {
				defer r.endEverything(t, key, `UPDATE keys SET disabled = unixepoch() * 1000000 WHERE disabled IS NULL`,
					`UPDATE users SET epoch = epoch + 1`, func(sql string) error {
						db, err := database.SQLite(t.Context(), filepath.Join(restored, "tollgate.db"))
						if err == nil {
							defer db.Close()
							_, err = db.Exec(t.Context(), sql)
						}
						return err
					})
			}
			if n := strings.Count(r.get("/v1/projects?limit=200", key).body, "made while"); tt.key == 200 && n < 11 {
				t.Errorf("got %d of the projects that were there before the backup began, want 11 or more", n)
			}
		})
	}
}

// endEverything is what docs/operators.md has for a restored database of which
// nobody knows what was revoked since: no key and no session passes, and owners
// log in and enable what is good.
func (p *process) endEverything(t *testing.T, key, keys, users string, exec func(sql string) error) {
	t.Helper()
	owner := p.login(p.Email, p.Password)
	id := p.get("/v1/whoami", key).member(t, "id")
	for _, sql := range []string{keys, users} {
		if err := exec(sql); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct{ path, token string }{{"/v1/rubrics", key}, {"/v1/team", owner}} {
		if a := p.within(10*time.Second, tt.path, tt.token, func(a answer) bool { return a.status == 401 }); a.status != 401 {
			t.Errorf("%s afterwards: got %d, want 401", tt.path, a.status)
		}
	}
	owner = p.login(p.Email, p.Password)
	if a := p.do("PATCH", "/v1/api-keys/"+id, owner, `{"enabled":true}`); a.status != 200 {
		t.Fatalf("enable: %d %s", a.status, a.body)
	}
	if a := p.within(5*time.Second, "/v1/rubrics", key, func(a answer) bool { return a.status == 200 }); a.status != 200 {
		t.Errorf("an enabled key: got %d, want 200", a.status)
	}
}

// keyID returns the id of the demo's live key.
func (p *process) keyID(t *testing.T) string {
	t.Helper()
	return p.get("/v1/whoami", p.LiveKey).member(t, "id")
}

// What is there is not overwritten, what is not there is not made, and nothing
// is left of a backup that failed.
func TestBackupRefuses(t *testing.T) {
	dir := t.TempDir()
	start(t, dir).stop()
	there := filepath.Join(dir, "there.db")
	if err := os.WriteFile(there, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, want string
		args       []string
	}{
		{"exists", "exists", []string{there}},
		{"no folder", "no such file", []string{filepath.Join(dir, "none", "b.db")}},
		{"no database", "no such file", []string{"b.db", "--database", "sqlite:none.db"}},
		{"no file named", "one argument", nil},
		{"postgres", "pg_dump", []string{"b.db", "--database", "postgres://localhost/x"}},
		{"memory", "SQLite", []string{"b.db", "--database", "memory"}},
		{"no database file", "not a database", []string{"b.db", "--database", "sqlite:demo.json"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := given(t, dir, "", append([]string{"backup"}, tt.args...)...); err == nil || !strings.Contains(got, tt.want) {
				t.Errorf("got %v, %q, want it to have %q", err, got, tt.want)
			}
		})
	}
	if text, err := os.ReadFile(there); err != nil || string(text) != "precious" {
		t.Errorf("got %q, %v", text, err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*b.db*")); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// As docs/operators.md has it for Postgres: what pg_dump writes while the
// server runs is restored into an empty database, on which a key that was
// revoked stays revoked and changes are heard of.
func TestRestorePostgres(t *testing.T) {
	server, err := pgtest.Start(pgtest.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	dir := t.TempDir()
	p := start(t, dir, "--database", server.URL())
	owner := p.login(p.Email, p.Password)
	made := p.do("POST", "/v1/api-keys", owner, `{"name":"k","permissions":["read"]}`)
	id, key := made.member(t, "id"), made.member(t, "key")
	if a := p.do("DELETE", "/v1/api-keys/"+p.keyID(t), owner, ""); a.status != 204 {
		t.Fatalf("revoke: %d %s", a.status, a.body)
	}
	dump := exec.Command(server.Bin("pg_dump"), "--no-owner", server.URL())
	text, err := dump.Output()
	if err != nil {
		t.Fatal(err)
	}
	p.stop()

	other, err := pgtest.Start(pgtest.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	load := exec.Command(server.Bin("psql"), "-v", "ON_ERROR_STOP=1", "-q", other.URL())
	load.Stdin = bytes.NewReader(text)
	if out, err := load.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	r := start(t, dir, "--database", other.URL())
	if a := r.get("/v1/rubrics", r.LiveKey); a.status != 401 {
		t.Errorf("the revoked key: got %d, want 401", a.status)
	}
	if a := r.get("/v1/rubrics", key); a.status != 200 {
		t.Errorf("the other key: got %d, want 200", a.status)
	}
	r.endEverything(t, key, `UPDATE tollgate.keys SET disabled = now() WHERE disabled IS NULL`,
		`UPDATE tollgate.users SET epoch = epoch + 1`, func(sql string) error { return other.Exec(t.Context(), sql) })
	cmd := program(t, dir, "keys", "revoke", id, "--database", other.URL())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if a := r.within(2*time.Second, "/v1/rubrics", key, func(a answer) bool { return a.status == 401 }); a.status != 401 {
		t.Errorf("revoked beside the server: got %d, want 401", a.status)
	}
}

package tollgate_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/memory"
)

// A gate starts with the secrets that its store was used with before, and with no
// others: those would find no key, and nobody would know why. case T6
func TestRestartWithSecrets(t *testing.T) {
	db, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	write := func(name string, lines ...string) {
		t.Helper()
		if err := os.WriteFile(path(name), []byte(strings.Join(lines, "\n")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	start := func(name string) error {
		t.Helper()
		secrets, err := keyfmt.OpenKeyring(path(name))
		if err != nil {
			t.Fatal(err)
		}
		_, err = tollgate.New(tollgate.Config{Store: db, Secrets: secrets, Prefix: "acme", Permissions: []string{"read"}})
		return err
	}
	if err := start("acme.secrets"); err != nil { // which makes the file
		t.Fatal(err)
	}
	text, err := os.ReadFile(path("acme.secrets"))
	if err != nil {
		t.Fatal(err)
	}
	old, root, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	pepper, _, _ := strings.Cut(old, " ")
	if err := db.Accounts().Create(t.Context(), store.Account{ID: "acct_1"}); err != nil {
		t.Fatal(err)
	}
	key := store.Key{ID: "key_1", Account: "acct_1", Digest: keyfmt.Digest{Pepper: pepper}}
	if err := db.KeyAdmin().Create(t.Context(), key, 0, time.Now()); err != nil {
		t.Fatal(err)
	}
	next := "next " + strings.Repeat("0123456789abcdef", 4)
	write("added", old, next, root)
	write("first", next, old, root)
	write("removed", next, root)

	tests := []struct{ name, file, want string }{
		{"the same", "acme.secrets", ""},
		{"another file", "other.secrets", "these are not the secrets that the database was first used with"},
		{"a pepper is added", "added", ""},
		{"it becomes the newest", "first", ""},
		{"the old one is removed while a key needs it", "removed", `pepper "` + pepper + `" is missing, and 1 keys are not yet under pepper "next"`},
		{"a process that has not heard of it", "acme.secrets", `another process makes digests under pepper "next"`},
		{"the right ones again", "first", ""},
	}
	for _, tt := range tests { // of one store
		err := start(tt.file)
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s: got %v", tt.name, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "tollgate: Config.Secrets")):
			t.Errorf("%s: got %v, want tollgate: Config.Secrets… %s", tt.name, err, tt.want)
		}
	}
}

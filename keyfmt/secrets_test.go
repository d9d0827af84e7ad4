package keyfmt_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"medtwin.ai/tollgate/keyfmt"
)

// line is one of a secrets file.
func line(id string) string {
	return id + " " + hex.EncodeToString(keyfmt.GeneratePepper(id).Secret)
}

// secretsFile writes one.
func secretsFile(t *testing.T, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "acme.secrets")
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask
		t.Fatal(err)
	}
	return path
}

func openKeyring(t *testing.T, path string) *keyfmt.Keyring {
	t.Helper()
	k, err := keyfmt.OpenKeyring(path)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// The file that is made is for its owner alone, holds what two openings agree on,
// and is not made again.
func TestOpenKeyringMakesTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "acme.secrets")
	first := openKeyring(t, path)
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("the mode of the file is %v, %v, want 0600", info.Mode(), err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	second := openKeyring(t, path)
	if again, err := os.ReadFile(path); err != nil || !bytes.Equal(text, again) {
		t.Errorf("the file has changed: %v", err)
	}
	if !maps.Equal(first.Fingerprints(), second.Fingerprints()) || first.Newest() != second.Newest() {
		t.Error("two keyrings of one file differ")
	}
	format, err := keyfmt.New("mt_live_")
	if err != nil {
		t.Fatal(err)
	}
	if token := format.Generate(); first.Digest(token) != second.Digest(token) {
		t.Error("two keyrings of one file make different digests")
	}
	other := openKeyring(t, filepath.Join(t.TempDir(), "acme.secrets"))
	if other.Newest() == first.Newest() || other.Fingerprints()["root"] == first.Fingerprints()["root"] {
		t.Error("two files have secrets in common")
	}
}

// Of many that make the file at once one does, and nobody reads half of it.
func TestOpenKeyringTogether(t *testing.T) {
	path := filepath.Join(t.TempDir(), "acme.secrets")
	var all sync.WaitGroup
	var made [50]*keyfmt.Keyring
	for i := range made {
		all.Go(func() {
			var err error
			if made[i], err = keyfmt.OpenKeyring(path); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, k := range made {
		if k == nil || !maps.Equal(k.Fingerprints(), made[0].Fingerprints()) {
			t.Fatal("two of them have different secrets")
		}
	}
	if files, err := os.ReadDir(filepath.Dir(path)); err != nil || len(files) != 1 {
		t.Errorf("left in the folder: %v, %v", files, err)
	}
}

func TestOpenKeyringRefuses(t *testing.T) {
	pepper, root := line("2026"), line("root")
	tests := []struct {
		name, text string
		mode       os.FileMode
		want       []string
	}{
		{"others may read it", pepper + "\n" + root, 0o644, []string{"others may read", "mode 0644", "chmod 600"}},
		{"the group may write it", pepper + "\n" + root, 0o620, []string{"mode 0620", "chmod 600"}},
		{"empty", "", 0o600, []string{"line 1", "openssl rand -hex 32"}},
		{"no secret", "2026\n" + root, 0o600, []string{"line 1"}},
		{"no id", root + "\n" + strings.Repeat("ab", 32), 0o600, []string{"line 2"}},
		{"not hex", root + "\n2026 " + strings.Repeat("xy", 32), 0o600, []string{"line 2", "in hex"}},
		{"half a digit", root + "\n" + pepper[:len(pepper)-1], 0o600, []string{"line 2"}},
		{"too short", root + "\n2026 " + strings.Repeat("ab", 31), 0o600, []string{"line 2", "32 bytes"}},
		{"an empty line", pepper + "\n\n" + root, 0o600, []string{"line 2"}},
		{"two secrets on a line", pepper + " " + strings.Repeat("ab", 32) + "\n" + root, 0o600, []string{"line 1"}},
		{"no root", pepper, 0o600, []string{`add a line "root"`}},
		{"two roots", root + "\n" + pepper + "\n" + line("root"), 0o600, []string{"line 3", "a second root"}},
		{"no pepper", root, 0o600, []string{"no pepper"}},
		{"a pepper twice", pepper + "\n" + line("2026") + "\n" + root, 0o600, []string{`"2026" is used twice`}},
		{"no randomness", "2026 " + strings.Repeat("00", 32) + "\n" + root, 0o600, []string{`"2026" is weak`}},
		{"an id that cannot be", "Two " + strings.Repeat("ab", 32) + "\n" + root, 0o600, []string{`"Two"`, "[a-z0-9-]"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := secretsFile(t, tt.text, tt.mode)
			_, err := keyfmt.OpenKeyring(path)
			if err == nil {
				t.Fatal("got no error")
			}
			for _, want := range append(tt.want, path) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %q, want it to have %q", err, want)
				}
			}
			for text := range strings.FieldsSeq(tt.text) {
				if len(text) >= 62 && strings.Contains(err.Error(), text) {
					t.Errorf("the error shows a secret: %v", err)
				}
			}
		})
	}
	t.Run("no folder", func(t *testing.T) {
		if _, err := keyfmt.OpenKeyring(filepath.Join(t.TempDir(), "none", "acme.secrets")); err == nil {
			t.Error("got no error")
		}
	})
}

// The order of the lines is that of the peppers, wherever the root is; white space
// around them and line ends of Windows do not count.
func TestOpenKeyringOrder(t *testing.T) {
	pepper, older, root := line("2027"), line("2026"), line("root")
	want := openKeyring(t, secretsFile(t, pepper+"\n"+older+"\n"+root+"\n", 0o600))
	for _, text := range []string{
		root + "\n" + pepper + "\n" + older,
		pepper + "\r\n" + root + "\r\n" + older + "\r\n",
		"\t" + strings.Replace(pepper, " ", " \t", 1) + " \n" + older + "\n" + root + "\n\n",
	} {
		got := openKeyring(t, secretsFile(t, text, 0o600))
		if got.Newest() != "2027" || !maps.Equal(got.Fingerprints(), want.Fingerprints()) {
			t.Errorf("got %v with newest %q of %q", slices.Collect(maps.Keys(got.Fingerprints())), got.Newest(), strings.Map(hideHex, text))
		}
	}
}

func hideHex(r rune) rune {
	if strings.ContainsRune("abcdef", r) {
		return '.'
	}
	return r
}

// What is derived from the root is another secret for every purpose, and does not
// change when peppers do.
func TestDerive(t *testing.T) {
	pepper, root := line("2026"), line("root")
	one := openKeyring(t, secretsFile(t, pepper+"\n"+root, 0o600))
	two := openKeyring(t, secretsFile(t, line("2027")+"\n"+root, 0o600))
	other := openKeyring(t, secretsFile(t, pepper+"\n"+line("root"), 0o600))
	login := one.Derive("login")
	if len(login) != 32 || !bytes.Equal(login, one.Derive("login")) || !bytes.Equal(login, two.Derive("login")) {
		t.Error("the secret of one purpose changes")
	}
	if bytes.Equal(login, one.Derive("webhooks")) || bytes.Equal(login, other.Derive("login")) {
		t.Error("two purposes, or two roots, have one secret")
	}
	raw, err := hex.DecodeString(strings.Fields(root)[1])
	if err != nil || bytes.Equal(login, raw) {
		t.Errorf("the root itself was derived, %v", err)
	}
}

// Fingerprints depend on the secret, its id and the root.
func TestFingerprints(t *testing.T) {
	pepper, root := line("2026"), line("root")
	secret := strings.Fields(pepper)[1]
	of := func(lines ...string) map[string][32]byte {
		return openKeyring(t, secretsFile(t, strings.Join(lines, "\n"), 0o600)).Fingerprints()
	}
	one := of(pepper, root)
	if ids := slices.Sorted(maps.Keys(one)); !slices.Equal(ids, []string{"2026", "root"}) {
		t.Errorf("got fingerprints of %q", ids)
	}
	if other := of(line("2026"), root); other["2026"] == one["2026"] || other["root"] != one["root"] {
		t.Error("another secret")
	}
	if other := of("2027 "+secret, root); other["2027"] == one["2026"] {
		t.Error("another id")
	}
	if other := of(pepper, line("root")); other["2026"] == one["2026"] || other["root"] == one["root"] {
		t.Error("another root")
	}
	if got := keyfmt.InsecureUnpeppered().Fingerprints(); len(got) != 0 {
		t.Errorf("no secrets have fingerprints of %v", slices.Collect(maps.Keys(got)))
	}
	if _, err := keyfmt.NewKeyring(keyfmt.GeneratePepper("root")); err == nil || !strings.Contains(err.Error(), "the name of the root") {
		t.Errorf("a pepper called root: got %v", err)
	}
}

// A keyring shows no secret, however it is printed, alone or in a struct.
func TestKeyringRedactsItself(t *testing.T) {
	pepper, older, root := line("2027"), line("2026"), line("root")
	k := openKeyring(t, secretsFile(t, pepper+"\n"+older+"\n"+root, 0o600))
	var text strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%p", "%T", "%b", "%o", "%c", "%U", "%e"} {
		for _, v := range []any{k, *k, struct{ k *keyfmt.Keyring }{k}, struct{ k keyfmt.Keyring }{*k}, []*keyfmt.Keyring{k}} {
			fmt.Fprintf(&text, verb+"\n", v)
		}
	}
	json, err := json.Marshal([]any{k, *k}) // any: staticcheck would say that there is nothing to marshal
	if err != nil {
		t.Fatal(err)
	}
	text.Write(json)
	for _, h := range []slog.Handler{slog.NewTextHandler(&text, nil), slog.NewJSONHandler(&text, nil)} {
		slog.New(h).Info("keyring", "k", k, "v", *k)
	}
	for _, l := range []string{pepper, older, root} {
		secret := strings.Fields(l)[1]
		raw, err := hex.DecodeString(secret)
		if err != nil {
			t.Fatal(err)
		}
		for _, form := range []string{
			secret, strings.ToUpper(secret), string(raw), strings.Trim(fmt.Sprint(raw), "[]"), strings.Trim(fmt.Sprintf("%#v", raw), "[]byte{}"),
			fmt.Sprintf("%q", raw),
		} {
			if strings.Contains(text.String(), form) {
				t.Errorf("%.40q shows a secret of %s", form, strings.Fields(l)[0])
			}
		}
	}
}

// A file that was just made for a database that needs another one does not stay,
// where a backup could take it for that one. One that was there stays.
func TestDiscard(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secrets")
	made, err := keyfmt.OpenKeyring(path)
	if err != nil {
		t.Fatal(err)
	}
	there, err := keyfmt.OpenKeyring(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := there.Discard(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("a file that was there: %v", err)
	}
	if err := made.Discard(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that was just made: got %v, want that it is gone", err)
	}
	if err := keyfmt.InsecureUnpeppered().Discard(); err != nil {
		t.Error(err)
	}
}

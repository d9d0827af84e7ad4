package main

import (
	"encoding/hex"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"medtwin.ai/tollgate/examples/server/database/databasetest"
	"medtwin.ai/tollgate/keyfmt"
)

// line is one of a pepper file, with a new secret.
func line(id string) string {
	p := keyfmt.GeneratePepper(id)
	return p.ID + " " + hex.EncodeToString(p.Secret)
}

// opens has a server with these lines in its pepper file meet the database. It
// must start, or where why is not empty, refuse for that.
func opens(t *testing.T, b *backend, step, why string, lines ...string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pepper")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := openSecrets(t.Context(), path, b)
	if why == "" && err != nil || why != "" && (err == nil || !strings.Contains(err.Error(), why)) {
		t.Errorf("%s: %v, want %q", step, err, why)
	}
}

// case T6: servers of one database have the same secrets or do not start, and
// peppers are rotated without any of them being refused.
func TestPeppersOfSeveral(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, name string) {
		c := clockedOn(t, name, "standard", "")
		text, err := os.ReadFile(c.config.pepperFile)
		if err != nil {
			t.Fatal(err)
		}
		first, root, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
		id, _, _ := strings.Cut(first, " ")
		second, third := line("second"), line("third")

		other := c.config
		other.pepperFile = filepath.Join(t.TempDir(), "pepper")
		if s, err := newServer(t.Context(), other, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "copy it from another server") {
			s.Close()
			t.Errorf("without the file: %v", err)
		}
		opens(t, c.backend, "the same", "", first, root)
		opens(t, c.backend, "another file", "--pepper-file", line("other"), line(rootID))
		opens(t, c.backend, "another root", "its root is another", first, line(rootID))
		opens(t, c.backend, "no root", "its root is another", first)
		opens(t, c.backend, "another secret", "has another secret", line(id), root)

		opens(t, c.backend, "below", "", first, second, root)
		opens(t, c.backend, "a server before that step", "", first, root)
		opens(t, c.backend, "below, with another secret", "has another secret", first, line("second"), root)
		opens(t, c.backend, "on top", "", second, first, root)
		opens(t, c.backend, "a server before that step", "", first, second, root)
		opens(t, c.backend, "a server two steps behind", `under pepper "second"`, first, root)
		opens(t, c.backend, "removed too early", "1 keys have not moved", second, root)
		opens(t, c.backend, "on top alone, too early", `under pepper "second"`, third, root)
		opens(t, c.backend, "which changed nothing", "", second, first, root)
		keys, err := c.KeyAdmin().List(t.Context(), "acct_1", "", 10)
		if err == nil {
			err = c.KeyAdmin().Revoke(t.Context(), "acct_1", keys[0].ID, "", c.now)
		}
		if err != nil || len(keys) != 1 {
			t.Fatal(err, len(keys))
		}
		opens(t, c.backend, "removed", "", second, root)
		opens(t, c.backend, "a server before that step", "", second, first, root)
		opens(t, c.backend, "the next one, on top at once", "", third, second, root)
		opens(t, c.backend, "and alone", "", third, root)
		opens(t, c.backend, "a server behind all that", `under pepper "third"`, second, first, root)
	})
}

// The root of a file that names none is its oldest pepper, also after that has
// gone.
func TestRootOfAnOldPepper(t *testing.T) {
	b, err := openBackend(t.Context(), "memory", "")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	first, second := line("first"), line("second")
	opens(t, b, "one", "", first)
	opens(t, b, "two", "", second, first)
	opens(t, b, "the old one removed", "add the line: root HEX", second)
	opens(t, b, "as it says", "", second, "root"+strings.TrimPrefix(first, "first"))
}

// Of servers with different files that meet an empty database at once, one
// starts.
func TestFirstOfDifferentFiles(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, name string) {
		root := line(rootID)
		var all sync.WaitGroup
		var mu sync.Mutex
		started := map[string]int{}
		for i := range 6 {
			b, err := openBackend(t.Context(), name, "")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(b.Close)
			path := filepath.Join(t.TempDir(), "pepper")
			id := []string{"a", "b", "a"}[i%3]
			if err := os.WriteFile(path, []byte(line(id)+"\n"+root), 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := loadSecrets(path, "") // when none of them has served it yet
			if err != nil {
				t.Fatal(err)
			}
			all.Go(func() {
				err := s.agree(t.Context(), b, path)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					started[s.newest]++
				} else if !strings.Contains(err.Error(), "--pepper-file") {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if len(started) != 1 || started["a"]+started["b"] != 1 {
			t.Errorf("%v start", started)
		}
	})
}

package sqlitestore

import (
	"bytes"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

func TestMistakes(t *testing.T) {
	for _, tt := range []struct {
		want string
		c    Config
	}{
		{"Path is empty", Config{}},
		{"Poll is -1ns", Config{Path: file(t), Poll: -1}},
		{"store/memory", Config{Path: ":memory:"}},
		{"no such file", Config{Path: filepath.Join(t.TempDir(), "none", "tollgate.db")}},
		{"not a database", Config{Path: garbage(t)}},
		{"Path is empty\n", Config{Poll: -1}}, // and the second mistake after it
	} {
		if s, err := Open(tt.c); err == nil || s != nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Open(%+v): %v, want %q", tt.c, err, tt.want)
		}
	}
}

func garbage(t *testing.T) string {
	path := file(t)
	if err := os.WriteFile(path, bytes.Repeat([]byte("garbage "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// The names of files are not parts of a URI.
func TestOddPath(t *testing.T) {
	for _, name := range []string{"with space", "q?mode=memory", "h#ash", "p%41ercent", "ünïcode", "file:x", "semi;colon&amp"} {
		path := filepath.Join(t.TempDir(), name)
		newAccount(t, open(t, path))
		if _, err := open(t, path).Accounts().Get(t.Context(), "acct_1"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if info, err := os.Stat(path); err != nil || info.Size() == 0 {
			t.Errorf("%s: the database is elsewhere (%v)", name, err)
		}
	}
}

// Nobody else may read the database, nor the files that SQLite puts beside it.
func TestMode(t *testing.T) {
	path := file(t)
	newAccount(t, open(t, path))
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(path + suffix)
		if err != nil {
			t.Error(err)
		} else if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, want 0600", info.Name(), info.Mode())
		}
	}
}

// The files of the database hold no token and nothing to make one of.
// case K5
func TestDumpHoldsNoToken(t *testing.T) {
	f, err := keyfmt.New("mt_live_")
	if err != nil {
		t.Fatal(err)
	}
	token := f.Generate()
	ring, err := keyfmt.NewKeyring(keyfmt.GeneratePepper("p1"))
	if err != nil {
		t.Fatal(err)
	}
	path := file(t)
	s := open(t, path)
	newAccount(t, s)
	k := newKey(1)
	k.Digest, k.Hint = ring.Digest(token), token.Hint()
	if err := s.KeyAdmin().Create(t.Context(), k, 0, t0); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Keys().Find(t.Context(), k.Digest); err != nil {
		t.Fatal(err)
	}
	var dump []byte
	for _, suffix := range []string{"", "-wal", "-shm"} {
		b, err := os.ReadFile(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		dump = append(dump, b...)
	}
	if !bytes.Contains(dump, k.Digest.Sum[:]) || !bytes.Contains(dump, []byte(k.Hint)) {
		t.Fatal("the dump does not hold the key at all: this test looks in the wrong place")
	}
	body := strings.TrimPrefix(token.Reveal(), f.Prefix())
	for i := range len(body) - 5 { // the hint shows four characters
		if bytes.Contains(dump, []byte(body[i:i+6])) {
			t.Errorf("the dump holds characters %d to %d of the token", i, i+6)
		}
	}
	if plain := keyfmt.InsecureUnpeppered().Digest(token); bytes.Contains(dump, plain.Sum[:]) {
		t.Error("the dump holds the plain hash of the token")
	}
}

// When nothing can be written, writes fail with an error that is no answer,
// and reads go on.
func TestWritesFailReadsWork(t *testing.T) {
	for _, c := range []struct{ name, setting, want string }{
		{"disk full", "PRAGMA max_page_count = 1", "full"}, // SQLite raises it to what is there
		{"read-only", "PRAGMA query_only = 1", "readonly"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx := t.Context()
			s := open(t, file(t))
			newAccount(t, s)
			k := newKey(1)
			if err := s.KeyAdmin().Create(ctx, k, 0, t0); err != nil {
				t.Fatal(err)
			}
			if _, err := s.write.Exec(c.setting); err != nil {
				t.Fatal(err)
			}
			huge := newKey(2)
			huge.Name = strings.Repeat("x", 60_000) // more than fits into the pages that are there
			err := s.KeyAdmin().Create(ctx, huge, 0, t0)
			if err == nil {
				t.Fatal("Create succeeded")
			}
			for _, answer := range []error{store.ErrNotFound, store.ErrConflict, store.ErrQuota, store.ErrInactive} {
				if errors.Is(err, answer) {
					t.Errorf("Create: %v, which is an answer", err)
				}
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("Create: %v, which does not say %q", err, c.want)
			}
			if _, _, err := s.Keys().Find(ctx, k.Digest); err != nil {
				t.Errorf("Find: %v", err)
			}
			if list, err := s.KeyAdmin().List(ctx, "acct_1", "", 10); err != nil || len(list) != 1 {
				t.Errorf("List: %d keys, %v", len(list), err)
			}
		})
	}
}

// Processes that start together on no file yet do not trip over each other.
func TestOpenTogether(t *testing.T) {
	path := file(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			s, err := Open(Config{Path: path})
			if err != nil {
				t.Error(err)
				return
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// A slip by hand in one row is that key's trouble alone: it allows nothing, can
// be listed and can be revoked.
func TestUnreadableRow(t *testing.T) {
	path := file(t)
	s := open(t, path)
	newAccount(t, s)
	good, bad := newKey(1), newKey(2)
	for _, k := range []store.Key{good, bad} {
		if err := s.KeyAdmin().Create(t.Context(), k, 0, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	for _, addresses := range []string{`["everywhere"]`, `[7]`, `["10.0.0.0/8", null]`, `[""]`, `{}`, `null`, ` null `} {
		if _, err := s.write.Exec(`UPDATE keys SET grants = '{"v":1,"permissions":"read"}', addresses = ? WHERE id = ?`, addresses, bad.ID); err != nil {
			t.Fatal(err)
		}
		got, _, err := s.Keys().Find(t.Context(), bad.Digest)
		if err != nil || !got.Grant.Equal(authz.Grant{}) || len(got.Addresses) == 0 {
			t.Errorf("the bad row: %+v, %v", got, err)
		}
		for _, p := range got.Addresses {
			if p.Contains(netip.MustParseAddr("127.0.0.1")) {
				t.Errorf("addresses %s are read as %v", addresses, got.Addresses)
			}
		}
	}
	if list, err := s.KeyAdmin().List(t.Context(), bad.Account, "", 10); err != nil || len(list) != 2 {
		t.Errorf("the list: %d keys, %v", len(list), err)
	}
	if err := s.KeyAdmin().Revoke(t.Context(), bad.Account, bad.ID, "", time.Now()); err != nil {
		t.Error(err)
	}
	if _, _, err := s.Keys().Find(t.Context(), good.Digest); err != nil {
		t.Errorf("the good row: %v", err)
	}
}

// A scope that cannot be read must not count as none, which is the whole role.
func TestUnreadableScope(t *testing.T) {
	s := open(t, file(t))
	newAccount(t, s)
	newLogin(t, s)
	k := newKey(1)
	k.Owner = "user_1"
	if err := s.KeyAdmin().Create(t.Context(), k, 0, t0); err != nil {
		t.Fatal(err)
	}
	read := func() store.Membership {
		t.Helper()
		_, o, err := s.Keys().Find(t.Context(), k.Digest)
		m, getErr := s.Memberships().Get(t.Context(), "acct_1", "user_1")
		if err != nil || getErr != nil || m.Role != o.Membership.Role || len(m.Scope) != len(o.Membership.Scope) {
			t.Fatalf("Find: %+v, %v; Get: %+v, %v", o.Membership, err, m, getErr)
		}
		return m
	}
	if m := read(); m.Role != "owner" || len(m.Scope) != 0 {
		t.Errorf("a sound membership: %+v", m)
	}
	for _, scope := range []string{`"*"`, `7`, `null`, ` null `, `["proj_1"]`, `{"projects": 7}`, `{"projects": ["*"]}`, `{"projects": ["proj_1"], "regions": {}}`} {
		if _, err := s.write.Exec(`UPDATE memberships SET scope = ?`, scope); err != nil {
			t.Fatal(err)
		}
		if m := read(); m.Role != "" || m.Scope != nil || m.User != "user_1" {
			t.Errorf("with the scope %s: %+v", scope, m)
		}
	}
	if _, err := s.write.Exec(`UPDATE memberships SET scope = '{'`); err == nil {
		t.Error("text that is not JSON was taken for a scope")
	}
	if err := s.Memberships().Put(t.Context(), store.Membership{User: "user_1", Account: "acct_1", Role: "viewer"}); err != nil {
		t.Fatal(err)
	}
	if m := read(); m.Role != "viewer" {
		t.Errorf("once it was mended: %+v", m)
	}
}

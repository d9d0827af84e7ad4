package sqlitestore

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

// calls is a watcher that passes on what it hears, and never blocks.
type calls struct{ c chan string }

func (w calls) Forget(id string)   { w.c <- id }
func (w calls) Gap()               { w.c <- "Gap" }
func (w calls) Alive(at time.Time) {}

// watch begins a watch, which has called Gap when it returns.
func watch(t *testing.T, s *Store) (calls, <-chan error) {
	t.Helper()
	w := calls{make(chan string, 100_000)}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		ended <- s.Watch(ctx, w)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	w.hear(t, "Gap", 10*time.Second)
	return w, ended
}

// hear waits for one call, and passes over others.
func (w calls) hear(t *testing.T, want string, timeout time.Duration) {
	t.Helper()
	late := time.After(timeout)
	for {
		select {
		case got := <-w.c:
			if got == want {
				return
			}
		case <-late:
			t.Fatalf("%q was not heard within %v", want, timeout)
		}
	}
}

// Two stores on one file stand for two processes: they share no connection.
// case K11, for a change by another process
func TestChangesOfAnotherStore(t *testing.T) {
	path := file(t)
	a := open(t, path)
	newAccount(t, a)
	if err := a.KeyAdmin().Create(t.Context(), newKey(1), 0, t0); err != nil {
		t.Fatal(err)
	}
	b, err := Open(Config{Path: path}) // polls at the usual pace
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	w, _ := watch(t, b)
	if err := a.KeyAdmin().Revoke(t.Context(), "acct_1", "key_000001", "leaked", t0); err != nil {
		t.Fatal(err)
	}
	w.hear(t, "key_000001", time.Second)
	k, _, err := b.Keys().Find(t.Context(), newKey(1).Digest)
	if err != nil || k.Revoked.IsZero() {
		t.Errorf("the other store reads a key revoked at %v, error %v", k.Revoked, err)
	}
}

// A store's own changes do not wait for the poll.
func TestOwnChangesAtOnce(t *testing.T) {
	s, err := Open(Config{Path: file(t), Poll: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	w, _ := watch(t, s)
	newAccount(t, s)
	w.hear(t, "acct_1", 10*time.Second)
}

// byHand is a connection as the sqlite3 shell makes it, with nothing set.
func byHand(t *testing.T, path string, statements ...string) {
	t.Helper()
	db, err := connect(path, nil, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, sql := range statements {
		if _, err := db.Exec(sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// case K11, for SQL by hand
func TestChangesByHand(t *testing.T) {
	for _, c := range []struct {
		sql  string
		want []string
	}{
		{`UPDATE keys SET revoked = 1 WHERE id = 'key_000001'`, []string{"key_000001"}},
		{`UPDATE keys SET expires = 1`, []string{"key_000001", "key_000002"}},
		{`UPDATE keys SET disabled = 1 WHERE id = 'key_000001'`, []string{"key_000001"}},
		{`UPDATE keys SET owner = 'user_1'`, []string{"key_000001", "key_000002"}},
		{`DELETE FROM keys WHERE id = 'key_000002'`, []string{"key_000002"}},
		{`UPDATE keys SET id = 'key_new' WHERE id = 'key_000001'`, []string{"key_000001", "key_new"}},
		{`INSERT INTO keys (id, account, sum, grants) VALUES ('key_x', 'acct_1', zeroblob(32), '{}')`, []string{"key_x"}},
		{`UPDATE accounts SET status = 'suspended'`, []string{"acct_1"}},
		{`DELETE FROM accounts`, []string{"acct_1"}},
		{`INSERT INTO accounts (id, status) VALUES ('acct_x', 'active')`, []string{"acct_x"}},
		{`UPDATE keys SET grace = 0 WHERE id = 'key_000002'`, []string{"key_000002"}},
		{`INSERT INTO users (id, status) VALUES ('user_x', 'active')`, []string{"user_x"}},
		{`UPDATE users SET epoch = epoch + 1`, []string{"user_1"}},
		{`UPDATE users SET id = 'user_x'`, []string{"user_1", "user_x"}},
		{`DELETE FROM users`, []string{"user_1"}},
		{`UPDATE memberships SET role = 'viewer'`, []string{"user_1"}},
		{`UPDATE memberships SET scope = '{"projects": []}'`, []string{"user_1"}},
		{`UPDATE memberships SET user_id = 'user_x'`, []string{"user_1", "user_x"}},
		{`DELETE FROM memberships`, []string{"user_1"}},
		{`INSERT INTO memberships (user_id, account) VALUES ('user_1', 'acct_x')`, []string{"user_1"}},
		{`UPDATE sessions SET revoked = 1`, []string{"ses_1"}},
		{`UPDATE sessions SET id = 'ses_x'`, []string{"ses_1", "ses_x"}},
		{`DELETE FROM sessions`, []string{"ses_1"}},
		{`INSERT INTO sessions (id, user_id, sum, epoch) VALUES ('ses_x', 'user_1', zeroblob(32), 0)`, []string{"ses_x"}},
	} {
		t.Run(c.sql, func(t *testing.T) {
			path := file(t)
			s := open(t, path)
			newAccount(t, s)
			for n := range 2 {
				if err := s.KeyAdmin().Create(t.Context(), newKey(n+1), 0, t0); err != nil {
					t.Fatal(err)
				}
			}
			newLogin(t, s)
			w, _ := watch(t, s)
			byHand(t, path, c.sql)
			for _, id := range c.want {
				w.hear(t, id, 10*time.Second)
			}
		})
	}
}

// Every column can alter a decision, but used and seen. Columns come from the schema,
// so that one added later is not forgotten.
func TestEveryColumnIsPublished(t *testing.T) {
	path := file(t)
	s := open(t, path)
	newAccount(t, s)
	if err := s.KeyAdmin().Create(t.Context(), newKey(1), 0, t0); err != nil {
		t.Fatal(err)
	}
	newLogin(t, s)
	var silent []string
	for _, table := range []string{"keys", "accounts", "users", "memberships", "sessions"} {
		rows, err := s.read.Query(`SELECT name FROM pragma_table_info(?)`, table)
		columns, err := collect(rows, err, func(s *string) []any { return []any{s} })
		if err != nil || len(columns) == 0 {
			t.Fatal(columns, err)
		}
		for _, column := range columns {
			byHand(t, path, `DELETE FROM changes`, `UPDATE `+table+` SET `+column+` = `+column)
			var n int
			if err := s.read.QueryRow(`SELECT count(*) FROM changes`).Scan(&n); err != nil {
				t.Fatal(err)
			}
			if n == 0 {
				silent = append(silent, table+"."+column)
			}
		}
	}
	if d := cmp.Diff([]string{"keys.used", "sessions.seen"}, silent); d != "" {
		t.Errorf("columns whose changes nobody hears of (-want +got):\n%s", d)
	}
}

// The table of changes is bounded. Who has missed some is told so.
func TestGap(t *testing.T) {
	for _, tt := range []struct {
		name string
		sql  string
	}{
		{"more changes than are kept", `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10001)
			INSERT INTO accounts (id, status) SELECT 'acct_x' || i, 'active' FROM n`},
		{"changes deleted", `INSERT INTO accounts (id, status) VALUES ('acct_2', 'active'); DELETE FROM changes`},
		{"the count put back", `UPDATE sqlite_sequence SET seq = 0 WHERE name = 'changes'; DELETE FROM changes`},
		{"a hole in the middle", `UPDATE accounts SET plan = 'a'; UPDATE accounts SET plan = 'b'; UPDATE accounts SET plan = 'c';
			DELETE FROM changes WHERE seq = (SELECT max(seq) - 1 FROM changes)`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := file(t)
			s, err := Open(Config{Path: path, Poll: time.Hour})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			newAccount(t, s)
			w, _ := watch(t, s)
			byHand(t, path, tt.sql)
			s.wake() // as the next poll would
			w.hear(t, "Gap", 10*time.Second)

			// The watch goes on from there.
			if err := s.Accounts().SetStatus(t.Context(), "acct_1", authz.Suspended); err != nil {
				t.Fatal(err)
			}
			w.hear(t, "acct_1", 10*time.Second)
			var kept int
			if err := s.read.QueryRow(`SELECT count(*) FROM changes`).Scan(&kept); err != nil || kept > 10_000 {
				t.Errorf("%d changes are kept, want at most 10,000 (error %v)", kept, err)
			}
		})
	}
}

// A watch that cannot go on says why; the next one begins anew.
func TestWatchEnds(t *testing.T) {
	path := file(t)
	s := open(t, path)
	newAccount(t, s)
	_, ended := watch(t, s)
	if err := Migrate(t.Context(), path, 0); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, store.ErrNotFound) {
			t.Errorf("Watch without its table: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Watch goes on without its table")
	}
	if err := Migrate(t.Context(), path, newest()); err != nil {
		t.Fatal(err)
	}
	w, _ := watch(t, s)
	newAccount(t, s)
	w.hear(t, "acct_1", 10*time.Second)
}

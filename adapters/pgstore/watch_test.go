package pgstore

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

// calls is a watcher that passes on what it hears, and never blocks.
type calls struct {
	c    chan string
	mu   sync.Mutex
	last time.Time // as Alive said
}

func (w *calls) Forget(id string) { w.c <- id }
func (w *calls) Gap()             { w.c <- "Gap" }
func (w *calls) Alive(at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = at
}

func (w *calls) alive() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}

// watch begins a watch, which has called Gap when it returns.
func watch(t testing.TB, s *Store) (*calls, <-chan error) {
	t.Helper()
	w := &calls{c: make(chan string, 200_000)}
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
	select {
	case first := <-w.c:
		if first != "Gap" {
			t.Fatalf("a watch begins with %q", first)
		}
	case err := <-ended:
		t.Fatalf("Watch: %v", err)
	case <-time.After(20 * time.Second):
		t.Fatal("Gap was not heard")
	}
	return w, ended
}

// hear waits for one call, and passes over others.
func (w *calls) hear(t testing.TB, want string) {
	t.Helper()
	late := time.After(20 * time.Second)
	for {
		select {
		case got := <-w.c:
			if got == want {
				return
			}
		case <-late:
			t.Fatalf("%q was not heard", want)
		}
	}
}

// ends waits for the end of a watch, which must not be an answer.
func ends(t testing.TB, ended <-chan error) error {
	t.Helper()
	select {
	case err := <-ended:
		outage(t, "Watch", err)
		return err
	case <-time.After(30 * time.Second):
		t.Fatal("Watch goes on")
		return nil
	}
}

// Two stores stand for two processes: they share no connection.
// case K11, for a change by another process
func TestChangesOfAnotherStore(t *testing.T) {
	c := config(t)
	a := open(t, c)
	b, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	newKeys(t, a, 1)
	w, _ := watch(t, b)
	if err := a.KeyAdmin().Revoke(t.Context(), "acct_1", newKey(1).ID, "leaked", t0); err != nil {
		t.Fatal(err)
	}
	w.hear(t, newKey(1).ID)
	k, _, err := b.Keys().Find(t.Context(), newKey(1).Digest)
	if err != nil || k.Revoked.IsZero() {
		t.Errorf("the other store reads a key revoked at %v, error %v", k.Revoked, err)
	}
}

// Each schema has its own watches.
func TestSchemasAreApart(t *testing.T) {
	a, b := open(t, config(t)), open(t, config(t))
	w, _ := watch(t, b)
	newKeys(t, a, 1)
	if err := b.Accounts().Create(t.Context(), store.Account{ID: "acct_2"}); err != nil {
		t.Fatal(err)
	}
	if got := <-w.c; got != "acct_2" {
		t.Errorf("the watch of one schema hears of %q in another", got)
	}
}

// case K11, for SQL by hand
func TestChangesByHand(t *testing.T) {
	for _, c := range []struct {
		sql  string
		want []string
	}{
		{`UPDATE tollgate.keys SET revoked = now() WHERE id = 'key_0000001'`, []string{"key_0000001"}},
		{`UPDATE tollgate.keys SET expires = now()`, []string{"key_0000001", "key_0000002"}},
		{`UPDATE tollgate.keys SET disabled = now() WHERE id = 'key_0000001'`, []string{"key_0000001"}},
		{`UPDATE tollgate.keys SET used = now(), owner = 'user_1'`, []string{"key_0000001", "key_0000002"}},
		{`DELETE FROM tollgate.keys WHERE id = 'key_0000002'`, []string{"key_0000002"}},
		{`UPDATE tollgate.keys SET id = 'key_new' WHERE id = 'key_0000001'`, []string{"key_0000001", "key_new"}},
		{`INSERT INTO tollgate.keys (id, account, sum, grants) VALUES ('key_x', 'acct_1', decode(repeat('00', 32), 'hex'), '{}')`, []string{"key_x"}},
		{`TRUNCATE tollgate.keys`, []string{"Gap"}},
		{`UPDATE tollgate.accounts SET status = 'suspended'`, []string{"acct_1"}},
		{`DELETE FROM tollgate.keys; DELETE FROM tollgate.memberships; DELETE FROM tollgate.accounts`,
			[]string{"key_0000001", "key_0000002", "user_1", "acct_1"}},
		{`INSERT INTO tollgate.accounts (id, status) VALUES ('acct_x', 'active')`, []string{"acct_x"}},
		{`TRUNCATE tollgate.accounts CASCADE`, []string{"Gap"}},
		{`UPDATE tollgate.keys SET grace = 0 WHERE id = 'key_0000002'`, []string{"key_0000002"}},
		{`INSERT INTO tollgate.users (id, status) VALUES ('user_x', 'active')`, []string{"user_x"}},
		{`UPDATE tollgate.users SET epoch = epoch + 1`, []string{"user_1"}},
		{`DELETE FROM tollgate.memberships; DELETE FROM tollgate.users`, []string{"user_1"}},
		{`UPDATE tollgate.memberships SET role = 'viewer'`, []string{"user_1"}},
		{`UPDATE tollgate.memberships SET scope = '{"projects": []}'`, []string{"user_1"}},
		{`INSERT INTO tollgate.users (id, status) VALUES ('user_x', 'active'); UPDATE tollgate.memberships SET user_id = 'user_x'`,
			[]string{"user_x", "user_1"}},
		{`DELETE FROM tollgate.memberships`, []string{"user_1"}},
		{`TRUNCATE tollgate.memberships`, []string{"Gap"}},
		{`TRUNCATE tollgate.users CASCADE`, []string{"Gap"}},
		{`UPDATE tollgate.sessions SET revoked = now()`, []string{"ses_1"}},
		{`UPDATE tollgate.sessions SET id = 'ses_x'`, []string{"ses_1", "ses_x"}},
		{`DELETE FROM tollgate.sessions`, []string{"ses_1"}},
		{`INSERT INTO tollgate.sessions (id, user_id, sum, epoch) VALUES ('ses_x', 'user_1', decode(repeat('00', 32), 'hex'), 0)`, []string{"ses_x"}},
		{`TRUNCATE tollgate.sessions`, []string{"Gap"}},
	} {
		t.Run(c.sql, func(t *testing.T) {
			s := open(t, config(t))
			newKeys(t, s, 2)
			newLogin(t, s)
			w, _ := watch(t, s)
			byHand(t, s, c.sql)
			for _, id := range c.want {
				w.hear(t, id)
			}
		})
	}
}

// A change that is rolled back is not reported.
func TestRolledBack(t *testing.T) {
	s := open(t, config(t))
	newKeys(t, s, 2)
	w, _ := watch(t, s)
	byHand(t, s, `BEGIN; UPDATE tollgate.keys SET revoked = now() WHERE id = 'key_0000001'; ROLLBACK`,
		`UPDATE tollgate.keys SET revoked = now() WHERE id = 'key_0000002'`)
	if got := <-w.c; got != "key_0000002" {
		t.Errorf("heard %q first", got)
	}
}

// Every column can alter a decision, but used and seen. Columns come from the
// schema, so that one added later is not forgotten.
func TestEveryColumnIsPublished(t *testing.T) {
	s := open(t, config(t))
	newKeys(t, s, 1)
	newLogin(t, s)
	w, _ := watch(t, s)
	var silent []string
	for _, table := range []string{"keys", "accounts", "users", "memberships", "sessions"} {
		columns, err := collect(t.Context(), s.conn, func(s *string) []any { return []any{s} },
			`SELECT column_name::text FROM information_schema.columns WHERE table_schema = $1 AND table_name = $2`, s.schema.name, table)
		if err != nil || len(columns) == 0 {
			t.Fatal(columns, err)
		}
		for _, column := range columns {
			// With a change after it that is heard for sure.
			mark := "mark " + table + "." + column
			byHand(t, s, `UPDATE tollgate.`+table+` SET "`+column+`" = "`+column+`"`,
				`INSERT INTO tollgate.users (id, status) VALUES ('`+mark+`', 'active')`,
				`DELETE FROM tollgate.users WHERE id = '`+mark+`'`)
			got := <-w.c
			if got == mark {
				silent = append(silent, table+"."+column)
			}
			for got != mark {
				got = <-w.c
			}
			<-w.c // the deletion
		}
	}
	if d := cmp.Diff([]string{"keys.used", "sessions.seen"}, silent); d != "" {
		t.Errorf("columns whose changes nobody hears of (-want +got):\n%s", d)
	}
}

// A watch that cannot go on says why; the next one begins anew.
func TestWatchEnds(t *testing.T) {
	s := open(t, config(t))
	_, ended := watch(t, s)
	byHand(t, s, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN "tollgate_heartbeat_%'`)
	ends(t, ended)
	_, ended = watch(t, s)
	byHand(t, s, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_notify%'`)
	ends(t, ended)
	w, _ := watch(t, s)
	newAccount(t, s)
	w.hear(t, "acct_1")
}

// The heartbeat notices what no error tells: that notifications do not come.
// case K9, for a stream that hangs half-open
func TestSilence(t *testing.T) {
	s := open(t, config(t))
	s.beatTimeout = 2 * time.Second
	w, ended := watch(t, s)
	within(t, 10*time.Second, "a heartbeat", func() bool { return !w.alive().IsZero() })
	var listener int
	if err := s.row(t.Context(), `SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN "tollgate_heartbeat_%'`).Scan(&listener); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Resume(); err != nil {
			t.Error(err)
		}
	})
	if err := server.PauseBackend(listener); err != nil {
		t.Fatal(err)
	}
	// What changes from now on is not heard, and no heartbeat may say that it was.
	if err := s.Accounts().Create(t.Context(), store.Account{ID: "acct_unheard", Status: authz.Active}); err != nil {
		t.Fatal(err)
	}
	committed := time.Now()
	if err := ends(t, ended); !errors.Is(err, errDeaf) {
		t.Errorf("Watch: %v", err)
	}
	if w.alive().After(committed) {
		t.Errorf("Alive(%v), but the change committed before %v was not reported", w.alive(), committed)
	}
	for len(w.c) > 0 {
		if got := <-w.c; got == "acct_unheard" {
			t.Error("a stopped process reported a change")
		}
	}
}

// An operator who ends idle sessions does not end the stream.
func TestIdleSessions(t *testing.T) {
	s := open(t, config(t, "idle_session_timeout=300"))
	w, _ := watch(t, s)
	began := time.Now()
	within(t, 10*time.Second, "a heartbeat after a second", func() bool { return w.alive().Sub(began) > time.Second })
}

// A watch that ends leaves no connection behind.
func TestWatchHangsUp(t *testing.T) {
	c := config(t, "application_name=hangs_up")
	s := open(t, c)
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		w := &calls{c: make(chan string, 10)}
		ended := make(chan error, 1)
		go func() { ended <- s.Watch(ctx, w) }()
		w.hear(t, "Gap")
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Watch: %v", err)
		}
	}
	s.pool.Reset()
	within(t, 10*time.Second, "no connection but the one that asks", func() bool {
		var n int
		err := s.row(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE application_name = 'hangs_up'`).Scan(&n)
		return err == nil && n == 1
	})
}

// A session whose triggers are those of a replica tells of its changes all the
// same. case K24
func TestWatchToldUnderReplication(t *testing.T) {
	s := open(t, config(t))
	newKeys(t, s, 1)
	newLogin(t, s)
	w, _ := watch(t, s)
	tests := []struct{ name, sql, want string }{
		{"account", `UPDATE tollgate.accounts SET status = 'suspended'`, "acct_1"},
		{"user", `UPDATE tollgate.users SET epoch = epoch + 1`, "user_1"},
		{"membership", `UPDATE tollgate.memberships SET role = ''`, "user_1"},
		{"key", `UPDATE tollgate.keys SET disabled = now()`, newKey(1).ID},
		{"session", `UPDATE tollgate.sessions SET revoked = now()`, "ses_1"},
		{"a table emptied", `TRUNCATE tollgate.sessions`, "Gap"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			byHand(t, s, `SET session_replication_role = replica; `+tt.sql)
			w.hear(t, tt.want)
		})
	}
}

package pgstore

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

// A slip by hand in one row is that key's trouble alone: it allows nothing, can
// be listed and can be revoked.
func TestUnreadableRow(t *testing.T) {
	s := open(t, config(t))
	newKeys(t, s, 2)
	good, bad := newKey(1), newKey(2)
	byHand(t, s, `ALTER TABLE tollgate.keys DROP CONSTRAINT keys_addresses_check`) // somebody may
	for _, addresses := range []string{`["everywhere"]`, `[7]`, `["10.0.0.0/8", null]`, `{}`, `null`, ` null `, `[""]`} {
		byHand(t, s, `UPDATE tollgate.keys SET grants = '{"v":1,"permissions":"read"}', addresses = '`+addresses+`' WHERE id = '`+bad.ID+`'`)
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
	byHand(t, s, `ALTER TABLE tollgate.keys ADD CHECK (json_typeof(addresses) = 'array')`)
	if list, err := s.KeyAdmin().List(t.Context(), bad.Account, "", 10); err != nil || len(list) != 2 {
		t.Errorf("the list: %d keys, %v", len(list), err)
	}
	if err := s.KeyAdmin().Revoke(t.Context(), bad.Account, bad.ID, "", t0); err != nil {
		t.Error(err)
	}
	if _, _, err := s.Keys().Find(t.Context(), good.Digest); err != nil {
		t.Errorf("the good row: %v", err)
	}
	for _, sql := range []string{
		`UPDATE tollgate.keys SET addresses = 'null'`, `UPDATE tollgate.keys SET addresses = '{}'`,
		`UPDATE tollgate.keys SET grants = '"*"'`, `UPDATE tollgate.keys SET grants = '{'`, `UPDATE tollgate.keys SET sum = '\x00'`,
		`UPDATE tollgate.memberships SET scope = 'null'`, `UPDATE tollgate.memberships SET scope = '['`,
	} {
		newMember(t, s)
		if server.Exec(t.Context(), s.schema.fill(sql)) == nil {
			t.Errorf("taken: %s", sql)
		}
	}
}

// newMember adds user_1 and their membership if they do not exist yet.
func newMember(t *testing.T, s *Store) {
	t.Helper()
	if _, err := s.Memberships().Get(t.Context(), "acct_1", "user_1"); err != nil {
		newLogin(t, s)
	}
}

// A scope that cannot be read must not count as none, which is the whole role.
func TestUnreadableScope(t *testing.T) {
	s := open(t, config(t))
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
	byHand(t, s, `ALTER TABLE tollgate.memberships DROP CONSTRAINT memberships_scope_check`) // somebody may
	for _, scope := range []string{`"*"`, `7`, `null`, ` null `, `["proj_1"]`, `{"projects": 7}`, `{"projects": ["*"]}`, `{"projects": ["proj_1"], "regions": {}}`} {
		byHand(t, s, `UPDATE tollgate.memberships SET scope = '`+scope+`'`)
		if m := read(); m.Role != "" || m.Scope != nil || m.User != "user_1" {
			t.Errorf("with the scope %s: %+v", scope, m)
		}
	}
	if err := s.Memberships().Put(t.Context(), store.Membership{User: "user_1", Account: "acct_1", Role: "viewer"}); err != nil {
		t.Fatal(err)
	}
	if m := read(); m.Role != "viewer" {
		t.Errorf("once it was mended: %+v", m)
	}
}

// The ends of time, which only a hand can write, mean what they say, and never
// read as never.
func TestInfinity(t *testing.T) {
	for _, mode := range []string{"cache_statement", "exec"} {
		s := open(t, config(t, "default_query_exec_mode="+mode))
		newKeys(t, s, 1)
		for _, tt := range []struct {
			sql  string
			live bool
		}{
			{`expires = 'infinity'`, true}, {`expires = '-infinity'`, false},
			{`revoked = 'infinity'`, false}, {`revoked = '-infinity'`, false}, {`disabled = 'infinity'`, false},
		} {
			byHand(t, s, `UPDATE tollgate.keys SET expires = NULL, revoked = NULL, disabled = NULL`, `UPDATE tollgate.keys SET `+tt.sql)
			k, _, err := s.Keys().Find(t.Context(), newKey(1).Digest)
			if err != nil || k.Live(t0) != tt.live {
				t.Errorf("%s: live is %v, error %v", tt.sql, k.Live(t0), err)
			}
		}
	}
}

// The zone of a connection alters nothing, nor does the way it writes dates.
func TestZones(t *testing.T) {
	for _, settings := range [][]string{
		{"timezone=Asia/Kathmandu"}, {"timezone=Asia/Kathmandu", "default_query_exec_mode=exec"}, {"datestyle=SQL,DMY", "default_query_exec_mode=exec"},
	} {
		s := open(t, config(t, settings...))
		newAccount(t, s)
		want := newKey(1)
		want.Expires = time.Date(1969, 12, 31, 23, 59, 59, 999999000, time.UTC)
		if err := s.KeyAdmin().Create(t.Context(), want, 0, t0); err != nil {
			t.Fatal(err)
		}
		k, _, err := s.Keys().Find(t.Context(), want.Digest)
		if err != nil || !k.Created.Equal(want.Created) || k.Created.Location() != time.UTC || !k.Expires.Equal(want.Expires) {
			t.Errorf("%v: created %v, expires %v, error %v", settings, k.Created, k.Expires, err)
		}
	}
}

// Look-ups and orders do not follow the collation of the database, in which "a"
// may come before "B", or equal "A".
func TestCollation(t *testing.T) {
	s := open(t, config(t))
	loose, err := collect(t.Context(), s.conn, func(s *string) []any { return []any{s} }, `
		SELECT DISTINCT format('%s.%s', r.relname, a.attname) FROM pg_index i JOIN pg_class r ON r.oid = i.indrelid
			JOIN pg_namespace n ON n.oid = r.relnamespace JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum = ANY (i.indkey)
			WHERE n.nspname = $1 AND a.atttypid = 'text'::regtype AND a.attcollation <> '"C"'::regcollation ORDER BY 1`, s.schema.name)
	if err != nil || len(loose) > 0 {
		t.Errorf("indexed columns that do not compare byte by byte: %q, error %v", loose, err)
	}
}

// The database holds no token and nothing to make one of.
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
	s := open(t, config(t))
	newAccount(t, s)
	k := newKey(1)
	k.Digest, k.Hint = ring.Digest(token), token.Hint()
	if err := s.KeyAdmin().Create(t.Context(), k, 0, t0); err != nil {
		t.Fatal(err)
	}
	var dump string
	if err := s.row(t.Context(), `SELECT string_agg(k::text, '') FROM tollgate.keys k`).Scan(&dump); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(dump, k.Hint) {
		t.Fatal("the dump does not hold the key at all: this test looks in the wrong place")
	}
	body := strings.TrimPrefix(token.Reveal(), f.Prefix())
	for i := range len(body) - 5 { // the hint shows four characters
		if strings.Contains(dump, body[i:i+6]) {
			t.Errorf("the dump holds characters %d to %d of the token", i, i+6)
		}
	}
}

// A pool of the program's own stays open, and its hooks make the connections of
// Watch as well, but do not take their notifications.
func TestPool(t *testing.T) {
	made := 0
	own, err := pgxpool.ParseConfig(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	own.MaxConns = 1
	own.ConnConfig.OnNotification = func(*pgconn.PgConn, *pgconn.Notification) { t.Error("a notification went astray") }
	own.BeforeConnect = func(_ context.Context, c *pgx.ConnConfig) error {
		made++
		return nil
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), own)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	c := Config{Pool: pool, Schema: server.Schema(t), Heartbeat: 50 * time.Millisecond}
	s := open(t, c)
	w, _ := watch(t, s)
	if made != 4 { // of the migration, of the pool, and two of the watch
		t.Errorf("the hook was asked for %d connections, want 4", made)
	}
	newAccount(t, s)
	w.hear(t, "acct_1")
	s.Close()
	if d := cmp.Diff(error(nil), pool.Ping(t.Context())); d != "" {
		t.Errorf("after Close the pool says %s", d)
	}
}

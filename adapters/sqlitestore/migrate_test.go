package sqlitestore

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

// schema returns what the database is made of.
func schema(t *testing.T, path string) []string {
	t.Helper()
	db, err := connect(path, writer, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query(`SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_schema
		WHERE name NOT LIKE 'sqlite_%' ORDER BY 1`)
	list, err := collect(rows, err, func(s *string) []any { return []any{s} })
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestMigrate(t *testing.T) {
	ctx, path := t.Context(), file(t)
	open(t, path)
	up := schema(t, path)
	if len(up) < 5 {
		t.Fatalf("Open made no schema: %q", up)
	}
	if err := Migrate(ctx, path, 0); err != nil {
		t.Fatal(err)
	}
	if down := schema(t, path); len(down) != 0 {
		t.Errorf("down to nothing leaves %q", down)
	}
	for range 2 { // the second time there is nothing to do
		if err := Migrate(ctx, path, newest()); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(up, schema(t, path)); d != "" {
			t.Errorf("up, down and up again (-once +again):\n%s", d)
		}
	}
	newAccount(t, open(t, path))

	for _, version := range []int{-1, newest() + 1} {
		if err := Migrate(ctx, path, version); err == nil {
			t.Errorf("Migrate to version %d succeeded", version)
		}
	}
}

// Each step down leaves the schema as the step before made it.
func TestMigrateStepByStep(t *testing.T) {
	path := file(t)
	var made [][]string
	for v := range newest() + 1 {
		if err := Migrate(t.Context(), path, v); err != nil {
			t.Fatal(err)
		}
		made = append(made, schema(t, path))
	}
	for v := newest(); v > 0; v-- {
		if err := Migrate(t.Context(), path, v); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(made[v], schema(t, path)); d != "" {
			t.Errorf("version %d after a step down (-on the way up +on the way down):\n%s", v, d)
		}
	}
}

// The newest version reads what version 1 has written, and the reverse.
func TestMigrateKeepsKeys(t *testing.T) {
	ctx, path := t.Context(), file(t)
	if err := Migrate(ctx, path, 1); err != nil {
		t.Fatal(err)
	}
	byHand(t, path, `INSERT INTO accounts (id, status) VALUES ('acct_1', 'active')`,
		`INSERT INTO keys (id, account, name, sum, grants, replaces) VALUES ('key_old', 'acct_1', 'Old', zeroblob(32), '{"v":1}', 'key_before')`)
	s := open(t, path)
	old, err := s.KeyAdmin().Get(ctx, "acct_1", "key_old")
	if err != nil || old.Name != "Old" || old.Replaces != "key_before" || old.Grace != 0 || old.Idempotency != "" || old.Request != [32]byte{} {
		t.Errorf("a key of version 1 is %+v, error %v", old, err)
	}
	next := newKey(1)
	next.Replaces, next.Grace, next.Idempotency, next.Request = "key_old", time.Hour, "call 1", [32]byte{1}
	if err := s.KeyAdmin().Create(ctx, next, 0, t0); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := Migrate(ctx, path, 1); err != nil {
		t.Fatal(err)
	}
	again, err := open(t, path).KeyAdmin().Get(ctx, "acct_1", next.ID)
	next.Grace, next.Idempotency, next.Request = 0, "", [32]byte{} // what version 1 cannot hold
	if err != nil || again.Name != next.Name || again.Replaces != next.Replaces || again.Digest != next.Digest || again.Grace != 0 {
		t.Errorf("a key that went down and up is %+v, error %v; want %+v", again, err, next)
	}
}

// Version 2 knows neither owners nor what narrows or disables: what would open
// wider there is ended on the way down.
func TestMigrateDownWidensNothing(t *testing.T) {
	ctx, path := t.Context(), file(t)
	s := open(t, path)
	newAccount(t, s)
	newLogin(t, s)
	narrow := store.Membership{User: "user_2", Account: "acct_1", Role: "editor", Scope: map[string]authz.Set{"projects": authz.Of("proj_1")}}
	own, personal, disabled, revoked := newKey(1), newKey(2), newKey(3), newKey(4)
	own.Import, personal.Owner, disabled.Disabled = "bcrypt:x", "user_1", t0
	revoked.Owner, revoked.Revoked, revoked.Reason = "user_1", t0, "leaked"
	err := errors.Join(s.Users().Create(ctx, store.User{ID: "user_2", Status: authz.Active}), s.Memberships().Put(ctx, narrow))
	for _, k := range []store.Key{own, personal, disabled, revoked} {
		err = errors.Join(err, s.KeyAdmin().Create(ctx, k, 0, t0))
	}
	if err := errors.Join(err, s.Close(), Migrate(ctx, path, 2)); err != nil {
		t.Fatal(err)
	}
	before := time.Now().Add(-time.Hour)
	s = open(t, path)
	for _, want := range []store.Key{own, personal, disabled, revoked} {
		k, err := s.KeyAdmin().Get(ctx, "acct_1", want.ID)
		if err != nil || k.Live(t0) != (want.ID == own.ID) || k.Owner != "" || k.Import != "" || !k.Disabled.IsZero() {
			t.Errorf("a key that went down and up is %+v, error %v", k, err)
		}
		if want.ID == revoked.ID && (!k.Revoked.Equal(t0) || k.Reason != "leaked") {
			t.Errorf("a revoked key is now revoked at %v for %q", k.Revoked, k.Reason)
		}
		if want.ID == personal.ID && (k.Revoked.Before(before) || k.Revoked.After(time.Now())) {
			t.Errorf("a personal key was revoked at %v", k.Revoked)
		}
	}
	members, err := s.Memberships().OfAccount(ctx, "acct_1", "", 9)
	if err != nil || len(members) != 1 || members[0].User != "user_1" || members[0].Role != "owner" {
		t.Errorf("the members are %+v, error %v; want only the one who is not narrowed", members, err)
	}
}

func TestMigrations(t *testing.T) {
	for i, m := range Migrations() {
		if m.Version != i+1 || m.Name == "" || !strings.Contains(m.Up, "CREATE") && !strings.Contains(m.Up, "ADD COLUMN") || !strings.Contains(m.Down, "DROP") {
			t.Errorf("migration %d is %+v", i, m)
		}
	}
}

func TestNewerDatabase(t *testing.T) {
	path := file(t)
	s := open(t, path)
	if _, err := s.write.Exec(`INSERT INTO migrations VALUES (?1, 'of_tomorrow', ?1)`, newest()+1); err != nil {
		t.Fatal(err)
	}
	before := schema(t, path)
	if s, err := Open(Config{Path: path}); !errors.Is(err, ErrNewer) || s != nil {
		t.Errorf("Open: %v, want ErrNewer", err)
	}
	if err := Migrate(t.Context(), path, 0); !errors.Is(err, ErrNewer) {
		t.Errorf("Migrate: %v, want ErrNewer", err)
	}
	if d := cmp.Diff(before, schema(t, path)); d != "" {
		t.Errorf("a database that was refused has changed:\n%s", d)
	}
}

// A migration that fails half-way leaves the schema as it was.
func TestMigrateIsAtomic(t *testing.T) {
	path := file(t)
	db, err := connect(path, writer, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(`CREATE TABLE changes (somebody TEXT)`); err != nil { // in the way of version 1
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	before := schema(t, path)
	if s, err := Open(Config{Path: path}); err == nil || s != nil {
		t.Error("Open succeeded over a table of the same name")
	}
	if d := cmp.Diff(before, schema(t, path)); d != "" {
		t.Errorf("a migration that failed left its traces:\n%s", d)
	}
}

// Every statement of a request or a page reaches its rows by an index.
func TestPlans(t *testing.T) {
	s := open(t, file(t))
	for _, q := range []struct{ name, query string }{
		{"findKey", findKey},
		{"touchKey", touchKey},
		{"getKey", getKey},
		{"listKeys", listKeys},
		{"listAfter", listAfter},
		{"countHeld", countHeld},
		{"revokeKey", revokeKey},
		{"limitKey", limitKey},
		{"pruneKeys", pruneKeys},
		{"keyByCall", keyByCall},
		{"updateKey", updateKey},
		{"successor", successor},
		{"expiring", expiring},
		{"revokeKeys", revokeKeys},
		{"graceOfKey", graceOfKey},
		{"endGrace", endGrace},
		{"rehashKey", rehashKey},
		{"hasKey", hasKey},
		{"getUser", getUser},
		{"userByEmail", userByEmail},
		{"hasUser", hasUser},
		{"setPassword", setPassword},
		{"rehashUser", rehashUser},
		{"setUser", setUser},
		{"endSessions", endSessions},
		{"removeMember", removeMember},
		{"getMember", getMember},
		{"membersUser", membersUser},
		{"members", members},
		{"findSession", findSession},
		{"getSession", getSession},
		{"listSessions", listSessions},
		{"touchSession", touchSession},
		{"revokeSession", revokeSession},
		{"hasSession", hasSession},
		{"revokeSessions", revokeSessions},
		{"pruneSessions", pruneSessions},
		{"listEvents", listEvents},
		{"eventsAfter", eventsAfter},
		{"pruneEvents", pruneEvents},
		{"ownedKeys", ownedKeys},
		{"getAccount", getAccount},
		{"listAccounts", listAccounts},
		{"setStatus", setStatus},
		{"setPlan", setPlan},
		{"swapMember", swapMember},
		{"othersOfRole", othersOfRole},
		{"hasMember", hasMember},
		{"getInvitation", getInvitation},
		{"listInvitations", listInvitations},
		{"removeInvitation", removeInvitation},
		{"dropInvitation", dropInvitation},
		{"pruneInvitations", pruneInvitations},
	} {
		rows, err := s.write.Query("EXPLAIN QUERY PLAN "+q.query, make([]any, 7)...) // none has more parameters
		plan, err := collect(rows, err, func(s *string) []any { return []any{new(int), new(int), new(int), s} })
		if err != nil {
			t.Fatalf("%s: %v", q.name, err)
		}
		if len(plan) == 0 {
			t.Errorf("%s has no plan", q.name)
		}
		for _, step := range plan {
			searches := strings.HasPrefix(step, "SEARCH ")
			for _, heading := range []string{"LIST SUBQUERY ", "MULTI-INDEX OR", "INDEX "} { // of searches
				searches = searches || strings.HasPrefix(step, heading)
			}
			if !searches {
				t.Errorf("%s does not use an index alone: %s", q.name, step)
			}
		}
	}
}

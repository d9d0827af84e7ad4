package memory_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/memory"
	"medtwin.ai/tollgate/store/storetest"
)

func open(t *testing.T, c memory.Config) *memory.Store {
	t.Helper()
	s, err := memory.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Backend { return open(t, memory.Config{}) })
}

func TestMistakes(t *testing.T) {
	_, err := memory.New(memory.Config{MaxKeys: -1, MaxAccounts: -2, MaxUsers: -3, MaxSessions: -4, MaxEvents: -5})
	for _, want := range []string{"MaxKeys is -1", "MaxAccounts is -2", "MaxUsers is -3", "MaxSessions is -4", "MaxEvents is -5"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New: %v, want it to say %q", err, want)
		}
	}
}

var t0 = time.Date(2026, 1, 30, 12, 0, 0, 0, time.UTC)

func key(n int) store.Key {
	return store.Key{ID: fmt.Sprintf("key_%d", n), Account: "acct_1", Digest: keyfmt.Digest{Sum: [32]byte{byte(n)}}}
}

// A store that is full refuses with an error of its own, which is no answer about
// keys.
func TestFull(t *testing.T) {
	ctx := t.Context()
	s := open(t, memory.Config{MaxKeys: 2, MaxAccounts: 1})
	if err := s.Accounts().Create(ctx, store.Account{ID: "acct_1", Status: authz.Active}); err != nil {
		t.Fatal(err)
	}
	first := key(1)
	first.Expires = t0.Add(time.Hour)
	for _, k := range []store.Key{first, key(2)} {
		if err := s.KeyAdmin().Create(ctx, k, 0, t0); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		what string
		err  error
	}{
		{"Create", s.KeyAdmin().Create(ctx, key(3), 0, t0)},
		{"Rotate", s.KeyAdmin().Rotate(ctx, "acct_1", "key_2", key(3), t0, t0)},
		{"Accounts.Create", s.Accounts().Create(ctx, store.Account{ID: "acct_2"})},
	} {
		if !errors.Is(tt.err, memory.ErrFull) || errors.Is(tt.err, store.ErrConflict) || errors.Is(tt.err, store.ErrQuota) {
			t.Errorf("%s: %v, want ErrFull alone", tt.what, tt.err)
		}
	}
	old, err := s.KeyAdmin().Get(ctx, "acct_1", "key_2")
	if err != nil || !old.Expires.IsZero() {
		t.Errorf("a rotation that was refused left an expiry of %v (error %v)", old.Expires, err)
	}
	if n, err := s.KeyAdmin().Prune(ctx, t0.Add(2*time.Hour), 1000); n != 1 || err != nil {
		t.Fatalf("Prune: %d, %v", n, err)
	}
	if err := s.KeyAdmin().Create(ctx, key(3), 0, t0); err != nil {
		t.Errorf("after Prune: %v", err)
	}
}

func TestFullOfPeople(t *testing.T) {
	ctx := t.Context()
	s := open(t, memory.Config{MaxUsers: 1, MaxSessions: 1, MaxEvents: 2})
	member := func(account string) error {
		return s.Memberships().Put(ctx, store.Membership{User: "user_1", Account: account, Role: "viewer"})
	}
	session := func(n int) store.Session {
		return store.Session{ID: fmt.Sprintf("ses_%d", n), User: "user_1", Digest: key(n).Digest, Expires: t0}
	}
	for _, err := range []error{
		s.Accounts().Create(ctx, store.Account{ID: "acct_1"}), s.Accounts().Create(ctx, store.Account{ID: "acct_2"}),
		s.Users().Create(ctx, store.User{ID: "user_1"}), member("acct_1"), s.Sessions().Create(ctx, session(1)),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		what string
		err  error
	}{
		{"Users.Create", s.Users().Create(ctx, store.User{ID: "user_2"})},
		{"Memberships.Put", member("acct_2")},
		{"Sessions.Create", s.Sessions().Create(ctx, session(2))},
	} {
		if !errors.Is(tt.err, memory.ErrFull) || errors.Is(tt.err, store.ErrConflict) {
			t.Errorf("%s: %v, want ErrFull alone", tt.what, tt.err)
		}
	}
	if err := member("acct_1"); err != nil {
		t.Errorf("another role for a member: %v", err)
	}
	if n, err := s.Sessions().Prune(ctx, t0.Add(time.Hour), 1000); n != 1 || err != nil {
		t.Fatalf("Prune: %d, %v", n, err)
	}
	if err := s.Sessions().Create(ctx, session(2)); err != nil {
		t.Errorf("after Prune: %v", err)
	}
	if err := errors.Join(s.Memberships().Remove(ctx, "acct_1", "user_1"), member("acct_2")); err != nil {
		t.Errorf("after Remove: %v", err)
	}

	for _, id := range []string{"evt_1", "evt_2", "evt_3"} {
		if err := s.Events().Append(ctx, store.Event{ID: id, Account: "acct_1"}); err != nil {
			t.Fatal(err)
		}
	}
	list, err := s.Events().List(ctx, "acct_1", "", 9)
	if err != nil || len(list) != 2 || list[0].ID != "evt_3" || list[1].ID != "evt_2" {
		t.Errorf("of three events two are kept, and they are %v (error %v)", list, err)
	}
}

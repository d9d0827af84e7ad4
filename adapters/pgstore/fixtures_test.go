package pgstore

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

var t0 = time.Date(2026, 1, 30, 12, 0, 0, 123456000, time.UTC)

func newKey(n int) store.Key {
	return store.Key{
		ID: fmt.Sprintf("key_%07d", n), Account: "acct_1", Name: "Key", Environment: "live",
		Digest: keyfmt.Digest{Pepper: "p1", Sum: [32]byte{byte(n), byte(n >> 8), byte(n >> 16), 1}},
		Grant: authz.Grant{Version: authz.Version, Permissions: authz.Of("read"),
			Scope: map[string]authz.Set{"projects": authz.Of("proj_abc123")}, Endpoints: authz.All(), Environments: authz.Of("live")},
		Created: t0,
	}
}

func newAccount(t testing.TB, s *Store) {
	t.Helper()
	err := s.Accounts().Create(t.Context(), store.Account{ID: "acct_1", Status: authz.Active, Plan: "standard", Created: t0})
	if err != nil {
		t.Fatal(err)
	}
}

// newKeys adds acct_1 and the keys 1 to n.
func newKeys(t testing.TB, s *Store, n int) {
	t.Helper()
	newAccount(t, s)
	for i := range n {
		if err := s.KeyAdmin().Create(t.Context(), newKey(i+1), 0, t0); err != nil {
			t.Fatal(err)
		}
	}
}

// newLogin adds user_1, a member of acct_1, and their session ses_1.
func newLogin(t testing.TB, s *Store) {
	t.Helper()
	err := errors.Join(
		s.Users().Create(t.Context(), store.User{ID: "user_1", Email: "u@example.org", Status: authz.Active, Created: t0}),
		s.Memberships().Put(t.Context(), store.Membership{User: "user_1", Account: "acct_1", Role: "owner", Created: t0}),
		s.Sessions().Create(t.Context(), newSession(1)))
	if err != nil {
		t.Fatal(err)
	}
}

func newSession(n int) store.Session {
	return store.Session{ID: fmt.Sprintf("ses_%d", n), User: "user_1", Account: "acct_1", Digest: newKey(n).Digest,
		Created: t0, Expires: t0.Add(time.Hour)}
}

// within waits for f to be true.
func within(t testing.TB, limit time.Duration, what string, f func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(limit); !f(); {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("%s: not within %v", what, limit)
		}
	}
}

// byHand runs statements as somebody does with psql.
func byHand(t testing.TB, s *Store, statements ...string) {
	t.Helper()
	for _, sql := range statements {
		if err := server.Exec(context.WithoutCancel(t.Context()), s.schema.fill(sql)); err != nil {
			t.Fatal(err)
		}
	}
}

// outage reports an error that is an answer, or none.
func outage(t testing.TB, what string, err error) {
	t.Helper()
	if err == nil {
		t.Errorf("%s succeeded", what)
	}
	for _, answer := range []error{store.ErrNotFound, store.ErrConflict, store.ErrQuota, store.ErrInactive} {
		if errors.Is(err, answer) {
			t.Errorf("%s: %v, which is an answer", what, err)
		}
	}
}

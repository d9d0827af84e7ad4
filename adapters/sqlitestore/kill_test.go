package sqlitestore

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

var t0 = time.Date(2026, 1, 30, 12, 0, 0, 123456000, time.UTC)

func newKey(n int) store.Key {
	return store.Key{
		ID: fmt.Sprintf("key_%06d", n), Account: "acct_1", Name: "Key", Environment: "live",
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

// toil creates and revokes keys and sessions forever, and says so after each
// is acknowledged. Number n is revoked after number n+1 was created.
func toil(ctx context.Context, path string) error {
	s, err := Open(Config{Path: path})
	if err != nil {
		return err
	}
	for n := 0; ; n++ {
		if err := s.KeyAdmin().Create(ctx, newKey(n), 0, t0); err != nil {
			return err
		}
		fmt.Println("created", newKey(n).ID)
		if err := s.Sessions().Create(ctx, newSession(n)); err != nil {
			return err
		}
		fmt.Println("created", newSession(n).ID)
		if n == 0 {
			continue
		}
		if err := s.KeyAdmin().Revoke(ctx, "acct_1", newKey(n-1).ID, "leaked", t0); err != nil {
			return err
		}
		fmt.Println("revoked", newKey(n-1).ID)
		if err := s.Sessions().Revoke(ctx, "user_1", newSession(n-1).ID, t0); err != nil {
			return err
		}
		fmt.Println("revoked", newSession(n-1).ID)
	}
}

// A process killed at any moment loses no key, no session and no revocation
// that it has acknowledged. case T8
func TestKill(t *testing.T) {
	for _, lines := range []int{1, 2, 5, 6, 57} { // right after each kind of call, and well under way
		t.Run(fmt.Sprint(lines), func(t *testing.T) {
			path := file(t)
			before, err := Open(Config{Path: path})
			if err != nil {
				t.Fatal(err)
			}
			newAccount(t, before)
			if err := before.Close(); err != nil { // the victim's log is to be recovered, not shared
				t.Fatal(err)
			}
			acknowledged := kill(t, path, lines)
			if len(acknowledged) == 0 {
				t.Fatal("nothing was acknowledged")
			}
			after := open(t, path)
			for id, what := range acknowledged {
				k, err := after.KeyAdmin().Get(t.Context(), "acct_1", id)
				revoked := k.Revoked
				if strings.HasPrefix(id, "ses_") {
					var o store.Session
					o, err = after.Sessions().Get(t.Context(), "user_1", id)
					revoked = o.Revoked
				}
				if errors.Is(err, store.ErrNotFound) {
					t.Errorf("%s was acknowledged and is lost", id)
				} else if err != nil {
					t.Error(err)
				} else if what == "revoked" && !revoked.Equal(t0) {
					t.Errorf("the revocation of %s was acknowledged and is lost", id)
				}
			}
		})
	}
}

// kill starts a process that toils, kills it at a line of its output, and
// returns what it had acknowledged last of every key and session.
func kill(t *testing.T, path string, line int) map[string]string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), victim+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill() // also where this test fails
	acknowledged := map[string]string{}
	for in := bufio.NewScanner(out); in.Scan(); { // to the last that it got out
		what, id, _ := strings.Cut(in.Text(), " ")
		if what != "created" && what != "revoked" {
			t.Fatalf("the victim says %q", in.Text())
		}
		acknowledged[id] = what
		if line--; line == 0 {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.Exited() {
		t.Fatalf("the victim was not killed: %v", err)
	}
	return acknowledged
}

// The settings are those that make acknowledged writes survive a loss of power.
func TestDurability(t *testing.T) {
	s := open(t, file(t))
	for _, tt := range []struct {
		pragma string
		want   string
	}{{"journal_mode", "wal"}, {"synchronous", "2"}, {"foreign_keys", "1"}, {"busy_timeout", "5000"}} {
		var got string
		if err := s.write.QueryRow("PRAGMA " + tt.pragma).Scan(&got); err != nil || got != tt.want {
			t.Errorf("%s is %s (error %v), want %s", tt.pragma, got, err, tt.want)
		}
	}
}

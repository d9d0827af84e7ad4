package pgstore

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

// Each call begins while another process has made a change and has not yet
// committed it. It waits, and then goes by what was committed.
func TestMeanwhile(t *testing.T) {
	const old, next = "key_0000001", "key_0000002" // next is the successor
	revoke := `UPDATE tollgate.keys SET revoked = '2026-01-01Z', reason = 'first' WHERE id = '` + old + `'`
	later := t0.Add(time.Hour)
	for _, tt := range []struct {
		name      string
		meanwhile string
		call      func(ctx context.Context, s *Store) error
		want      error
		left      string
	}{
		// case K22
		{"Create under a quota",
			`SELECT FROM tollgate.accounts WHERE id = 'acct_1' FOR NO KEY UPDATE;
			INSERT INTO tollgate.keys (id, account, sum, grants) VALUES ('key_x', 'acct_1', sha256('x'), '{}')`,
			func(ctx context.Context, s *Store) error { return s.KeyAdmin().Create(ctx, newKey(9), 3, t0) },
			store.ErrQuota, `NOT EXISTS (SELECT FROM tollgate.keys WHERE id = 'key_0000009')`,
		},
		{"Create with an id",
			`INSERT INTO tollgate.keys (id, account, sum, grants) VALUES ('key_0000009', 'acct_1', sha256('x'), '{}')`,
			func(ctx context.Context, s *Store) error { return s.KeyAdmin().Create(ctx, newKey(9), 0, t0) },
			store.ErrConflict, `true`,
		},
		{"Create in an account that goes",
			`DELETE FROM tollgate.accounts WHERE id = 'acct_2'`,
			func(ctx context.Context, s *Store) error {
				k := newKey(9)
				k.Account = "acct_2"
				return s.KeyAdmin().Create(ctx, k, 0, t0)
			},
			store.ErrNotFound, `true`,
		},
		// case K8
		{"Rotate of a key that is revoked",
			revoke,
			func(ctx context.Context, s *Store) error {
				return s.KeyAdmin().Rotate(ctx, "acct_1", old, newKey(9), later, t0)
			},
			store.ErrInactive, `NOT EXISTS (SELECT FROM tollgate.keys WHERE id = 'key_0000009')`,
		},
		{"Rotate of a key that is narrowed",
			`UPDATE tollgate.keys SET grants = '{"v":1}' WHERE id = '` + next + `'`,
			func(ctx context.Context, s *Store) error {
				return s.KeyAdmin().Rotate(ctx, "acct_1", next, newKey(9), later, t0)
			},
			store.ErrConflict, `NOT EXISTS (SELECT FROM tollgate.keys WHERE id = 'key_0000009')`,
		},
		{"Update of a key that is revoked",
			revoke,
			func(ctx context.Context, s *Store) error {
				_, err := s.KeyAdmin().Update(ctx, "acct_1", old, store.KeyUpdate{Was: newKey(1).Grant, Expires: &time.Time{}}, t0)
				return err
			},
			store.ErrInactive, `(SELECT revoked IS NOT NULL AND expires IS NOT NULL FROM tollgate.keys WHERE id = '` + old + `')`,
		},
		{"Update of a key that is narrowed",
			`UPDATE tollgate.keys SET grants = '{"v":1}' WHERE id = '` + old + `'`,
			func(ctx context.Context, s *Store) error {
				_, err := s.KeyAdmin().Update(ctx, "acct_1", old, store.KeyUpdate{Was: newKey(1).Grant, Grant: &authz.Grant{}}, t0)
				return err
			},
			store.ErrConflict, `(SELECT grants::text = '{"v":1}' FROM tollgate.keys WHERE id = '` + old + `')`,
		},
		{"Revoke of a key that is revoked",
			revoke,
			func(ctx context.Context, s *Store) error {
				return s.KeyAdmin().Revoke(ctx, "acct_1", old, "second", t0)
			},
			nil, `(SELECT reason = 'first' AND revoked = '2026-01-01Z' FROM tollgate.keys WHERE id = '` + old + `')`,
		},
		{"RevokeAll",
			revoke,
			func(ctx context.Context, s *Store) error {
				n, err := s.KeyAdmin().RevokeAll(ctx, "acct_1", store.Filter{}, "second", t0)
				return errors.Join(err, exactlyOne(n))
			},
			nil, `(SELECT string_agg(reason, ' ' ORDER BY id) = 'first second' FROM tollgate.keys)`,
		},
		{"Touch of a key that is revoked",
			revoke,
			func(ctx context.Context, s *Store) error { return s.Keys().Touch(ctx, []store.Use{{ID: old, At: t0}}) },
			nil, `(SELECT used IS NULL FROM tollgate.keys WHERE id = '` + old + `')`,
		},
		{"Touch of a key that is used",
			`UPDATE tollgate.keys SET used = '2030-01-01Z' WHERE id = '` + old + `'`,
			func(ctx context.Context, s *Store) error { return s.Keys().Touch(ctx, []store.Use{{ID: old, At: t0}}) },
			nil, `(SELECT used = '2030-01-01Z' FROM tollgate.keys WHERE id = '` + old + `')`,
		},
		{"BeginGrace of a key that is revoked",
			`UPDATE tollgate.keys SET revoked = now() WHERE id = '` + next + `'`,
			func(ctx context.Context, s *Store) error { return s.Keys().BeginGrace(ctx, next, t0) },
			nil, `(SELECT count(*) = 2 FROM tollgate.keys WHERE expires = '2026-02-06Z' AND id = '` + old + `' OR grace > 0)`,
		},
		{"BeginGrace that has begun",
			`UPDATE tollgate.keys SET grace = 0 WHERE id = '` + next + `'; UPDATE tollgate.keys SET expires = '2026-02-01Z' WHERE id = '` + old + `'`,
			func(ctx context.Context, s *Store) error { return s.Keys().BeginGrace(ctx, next, t0) },
			nil, `(SELECT expires = '2026-02-01Z' FROM tollgate.keys WHERE id = '` + old + `')`,
		},
		{"Rehash",
			`UPDATE tollgate.keys SET pepper = 'p2' WHERE id = '` + old + `'`,
			func(ctx context.Context, s *Store) error {
				return s.Keys().Rehash(ctx, old, newKey(1).Digest, keyfmt.Digest{Pepper: "p3"})
			},
			store.ErrConflict, `(SELECT pepper = 'p2' FROM tollgate.keys WHERE id = '` + old + `')`,
		},
		// case K20
		{"Prune of a key that gets time",
			`UPDATE tollgate.keys SET expires = '2030-01-01Z' WHERE id = '` + old + `'`,
			func(ctx context.Context, s *Store) error {
				_, err := s.KeyAdmin().Prune(ctx, t0.AddDate(1, 0, 0), 1000)
				return err
			},
			nil, `EXISTS (SELECT FROM tollgate.keys WHERE id = '` + old + `')`,
		},
		// case S7
		{"Sessions.Touch",
			`UPDATE tollgate.sessions SET revoked = now()`,
			func(ctx context.Context, s *Store) error {
				return s.Sessions().Touch(ctx, []store.Use{{ID: "ses_1", At: t0}})
			},
			nil, `(SELECT seen IS NULL AND revoked IS NOT NULL FROM tollgate.sessions)`,
		},
		{"Sessions.RevokeAll",
			`UPDATE tollgate.sessions SET revoked = '2026-01-01Z'`,
			func(ctx context.Context, s *Store) error {
				_, err := s.Sessions().RevokeAll(ctx, "user_1", "", t0)
				return err
			},
			nil, `(SELECT revoked = '2026-01-01Z' FROM tollgate.sessions)`,
		},
		{"Sessions.Prune",
			`UPDATE tollgate.sessions SET expires = '2030-01-01Z'`,
			func(ctx context.Context, s *Store) error {
				_, err := s.Sessions().Prune(ctx, t0.AddDate(1, 0, 0), 1000)
				return err
			},
			nil, `EXISTS (SELECT FROM tollgate.sessions)`,
		},
		// case S23
		{"Users.Rehash",
			`UPDATE tollgate.users SET password = 'new', epoch = epoch + 1`,
			func(ctx context.Context, s *Store) error { return s.Users().Rehash(ctx, "user_1", "", "late") },
			store.ErrConflict, `(SELECT password = 'new' FROM tollgate.users)`,
		},
		// case S11
		{"EndSessions",
			`UPDATE tollgate.users SET epoch = epoch + 1`,
			func(ctx context.Context, s *Store) error {
				_, err := s.Users().EndSessions(ctx, "user_1")
				return err
			},
			nil, `(SELECT epoch = 2 FROM tollgate.users)`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := open(t, config(t))
			newKeys(t, s, 1)
			newLogin(t, s)
			successor := newKey(2)
			successor.Grace = time.Hour
			err := errors.Join(s.KeyAdmin().Rotate(t.Context(), "acct_1", old, successor, time.Date(2026, 2, 6, 0, 0, 0, 0, time.UTC), t0),
				s.Accounts().Create(t.Context(), store.Account{ID: "acct_2"}))
			if err != nil {
				t.Fatal(err)
			}
			err = meanwhile(t, s, tt.meanwhile, func() error { return tt.call(t.Context(), s) })
			if d := cmp.Diff(tt.want, err, cmpopts.EquateErrors()); d != "" {
				t.Errorf("error (-want +got):\n%s", d)
			}
			var left bool
			if err := s.row(t.Context(), `SELECT `+tt.left).Scan(&left); err != nil || !left {
				t.Errorf("not true afterwards: %s (error %v)", tt.left, err)
			}
		})
	}
}

func exactlyOne(n int) error {
	if n != 1 {
		return errors.New("RevokeAll did not end one key")
	}
	return nil
}

// meanwhile makes a change, calls f, commits the change once f waits for it, and
// returns what f did.
func meanwhile(t *testing.T, s *Store, change string, f func() error) error {
	t.Helper()
	tx, err := s.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(t.Context())
	if _, err := tx.Exec(t.Context(), s.schema.fill(change)); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- f() }()
	within(t, 20*time.Second, "the call waits", func() bool {
		select {
		case err := <-done:
			t.Fatalf("the call did not wait for the other process: %v", err)
		default:
		}
		var waits bool
		err := s.row(t.Context(), `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid)))`, int64(tx.Conn().PgConn().PID())).Scan(&waits)
		return err == nil && waits
	})
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	return <-done
}

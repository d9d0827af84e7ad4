package pgstore

import (
	"crypto/sha256"
	"fmt"
	"testing"

	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

// filled is what fill makes of a store: half of the keys belong to acct_0, the
// others to accounts of five. Every other one of those has a person for an owner; every
// fifth key has an expiry, every seventh is revoked. There are as many sessions
// and events as keys, and a user, an account and an invitation for every ten of them.
const filled = `
	SET LOCAL session_replication_role = replica; -- no checks of references
	-- No notifications, which would be a million.
	ALTER TABLE tollgate.accounts DISABLE TRIGGER changed;
	ALTER TABLE tollgate.users DISABLE TRIGGER changed;
	ALTER TABLE tollgate.memberships DISABLE TRIGGER changed;
	ALTER TABLE tollgate.keys DISABLE TRIGGER changed;
	ALTER TABLE tollgate.sessions DISABLE TRIGGER changed;
	INSERT INTO tollgate.accounts (id, status, plan, created)
		SELECT 'acct_' || n, 'active', 'standard', now() FROM generate_series(0, %[1]d / 10) n;
	INSERT INTO tollgate.users (id, email, status, created)
		SELECT 'user_' || lpad(n::text, 7, '0'), n || '@example.org', 'active', now() FROM generate_series(0, %[1]d / 10) n;
	INSERT INTO tollgate.memberships (user_id, account, role, created)
		SELECT 'user_' || lpad(n::text, 7, '0'), a, 'editor', now() FROM generate_series(0, %[1]d / 10) n, unnest(ARRAY['acct_0', 'acct_' || n]) a
		ON CONFLICT DO NOTHING;
	INSERT INTO tollgate.invitations (id, account, email, role, created, expires)
		SELECT 'inv_' || lpad(n::text, 7, '0'), a, n || '@example.org', 'editor', now(), now() + n * interval '1 minute'
		FROM generate_series(0, %[1]d / 10) n, format('acct_%%s', CASE WHEN n %% 2 = 0 THEN 0 ELSE n END) a;
	INSERT INTO tollgate.keys (id, account, owner, created_by, name, environment, hint, pepper, sum, grants, created, expires, revoked, idempotency)
		SELECT id, CASE WHEN n %% 2 = 0 THEN 'acct_0' ELSE 'acct_' || n / 10 END, CASE WHEN n %% 4 = 1 THEN 'user_' || lpad((n / 10)::text, 7, '0') ELSE '' END,
			'operator', 'Key', 'live', 'mt_live_…x7Qa', 'p1', sha256(id::bytea),
			'{"v":1,"permissions":["read","write"],"scope":{"projects":["proj_abc123"]},"endpoints":"*","environments":["live"]}',
			now(), CASE WHEN n %% 5 = 0 THEN now() + n * interval '1 minute' END, CASE WHEN n %% 7 = 0 THEN now() END, 'call ' || n
		FROM generate_series(0, %[1]d - 1) n, format('key_%%s', lpad(n::text, 7, '0')) id;
	INSERT INTO tollgate.sessions (id, user_id, account, pepper, sum, epoch, created, expires)
		SELECT id, 'user_' || lpad((n / 10)::text, 7, '0'), 'acct_0', 'p1', sha256(id::bytea), 0, now(), now() + interval '30 days'
		FROM generate_series(0, %[1]d - 1) n, format('ses_%%s', lpad(n::text, 7, '0')) id;
	INSERT INTO tollgate.events (id, account, kind, at)
		SELECT format('evt_%%s', lpad(n::text, 7, '0')), CASE WHEN n %% 2 = 0 THEN 'acct_0' ELSE 'acct_' || n / 10 END, 'key.created', now()
		FROM generate_series(0, %[1]d - 1) n;
	ALTER TABLE tollgate.accounts ENABLE ALWAYS TRIGGER changed;
	ALTER TABLE tollgate.users ENABLE ALWAYS TRIGGER changed;
	ALTER TABLE tollgate.memberships ENABLE ALWAYS TRIGGER changed;
	ALTER TABLE tollgate.keys ENABLE ALWAYS TRIGGER changed;
	ALTER TABLE tollgate.sessions ENABLE ALWAYS TRIGGER changed;`

// fill empties the store and adds n keys.
func fill(t testing.TB, s *Store, n int) {
	t.Helper()
	byHand(t, s, `TRUNCATE tollgate.accounts, tollgate.users, tollgate.memberships, tollgate.invitations, tollgate.keys, tollgate.sessions, tollgate.events`,
		fmt.Sprintf(filled, n))
	for _, table := range []string{"accounts", "users", "memberships", "invitations", "keys", "sessions", "events"} {
		byHand(t, s, `VACUUM ANALYZE tollgate.`+table)
	}
}

// filledKey is as much of the nth key as it takes to ask for it.
func filledKey(n int) store.Key {
	id := fmt.Sprintf("key_%07d", n)
	account := fmt.Sprint("acct_", n/10)
	if n%2 == 0 {
		account = "acct_0"
	}
	return store.Key{ID: id, Account: account, Digest: keyfmt.Digest{Pepper: "p1", Sum: sha256.Sum256([]byte(id))}}
}

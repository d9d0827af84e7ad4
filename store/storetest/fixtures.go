package storetest

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

// The accounts of most checks.
const (
	mine   = "acct_1"
	theirs = "acct_2"
)

// t0 is when most checks happen.
var t0 = time.Date(2026, 1, 30, 12, 0, 0, 123456000, time.UTC)

// newAccount describes an active account.
func newAccount(id string) store.Account {
	return store.Account{ID: id, Name: "Name of " + id, Status: authz.Active, Plan: "standard", Created: t0}
}

// newKey describes the nth key of an account; a higher n is a later id.
func newKey(account string, n int) store.Key {
	id := fmt.Sprintf("key_%s_%04d", account, n)
	return store.Key{
		ID: id, Account: account, CreatedBy: "operator", Name: "Key", Environment: "live",
		Hint: "mt_live_…x7Qa", Digest: digest(id), Grant: newGrant(), Created: t0, Family: id,
	}
}

func digest(of string) keyfmt.Digest {
	return keyfmt.Digest{Pepper: "p1", Sum: sha256.Sum256([]byte(of))}
}

func newGrant() authz.Grant {
	return authz.Grant{
		Version:      authz.Version,
		Permissions:  authz.Of("read", "write"),
		Scope:        map[string]authz.Set{"projects": authz.Of("proj_abc123", "proj_def456"), "artifact_types": authz.All()},
		Endpoints:    authz.Of("projects.get", "artifacts.*"),
		Environments: authz.Of("live"),
	}
}

// full describes a key with a value in every field.
func full(account string) store.Key {
	k := newKey(account, 7)
	k.CreatedBy, k.Name, k.Environment, k.Plan = "user_1", "Production Server", "test", "enterprise"
	k.Addresses = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("192.0.2.7/32")}
	k.Expires, k.Revoked, k.Used = t0.Add(time.Hour), t0.Add(time.Minute), t0.Add(time.Second)
	k.Owner, k.Import, k.Disabled = "user_9", "bcrypt:$2b$10$'\"", t0.Add(time.Millisecond)
	k.Reason, k.Family, k.Replaces = "leaked", "key_first", "key_before"
	k.Grace, k.Idempotency, k.Request = time.Hour+time.Microsecond, "call 7", sha256.Sum256([]byte("asked"))
	return k
}

// accounts adds active accounts.
func (s *suite) accounts(ids ...string) {
	s.Helper()
	for _, id := range ids {
		s.must("Accounts.Create", s.Accounts().Create(s.Context(), newAccount(id)))
	}
}

// keys adds keys without a quota. An owner who is no member is made one while the key is
// added.
func (s *suite) keys(keys ...store.Key) {
	s.Helper()
	for _, k := range keys {
		leave, err := s.joins(k.Account, k.Owner)
		s.must("Memberships.Put", err)
		s.must("KeyAdmin.Create", s.KeyAdmin().Create(s.Context(), k, 0, t0))
		s.must("Memberships.Remove", leave())
	}
}

// joins makes a user a member of the account until leave is called, if they are not one
// already. It makes the user if there is none.
func (s *suite) joins(account, user string) (leave func() error, err error) {
	s.Helper()
	nothing := func() error { return nil }
	if user == "" {
		return nothing, nil
	}
	if _, err := s.Memberships().Get(s.Context(), account, user); err == nil {
		return nothing, nil
	}
	if err := s.Users().Create(s.Context(), store.User{ID: user}); err != nil && !errors.Is(err, store.ErrConflict) {
		return nothing, err
	}
	err = s.Memberships().Put(s.Context(), store.Membership{User: user, Account: account, Created: t0})
	return func() error { return s.Memberships().Remove(s.Context(), account, user) }, err
}

// key adds an account and its nth key.
func (s *suite) key(account string, n int) store.Key {
	s.Helper()
	s.accounts(account)
	k := newKey(account, n)
	s.keys(k)
	return k
}

func (s *suite) get(account, id string) store.Key {
	s.Helper()
	k, err := s.KeyAdmin().Get(s.Context(), account, id)
	s.must("KeyAdmin.Get", err)
	return k
}

func (s *suite) find(d keyfmt.Digest) (store.Key, store.Owner) {
	s.Helper()
	k, o, err := s.Keys().Find(s.Context(), d)
	s.must("Keys.Find", err)
	return k, o
}

func (s *suite) list(account string) []store.Key {
	s.Helper()
	list, err := s.KeyAdmin().List(s.Context(), account, "", 1000)
	s.must("KeyAdmin.List", err)
	return list
}

// must ends the check on an error.
func (r report) must(what string, err error) {
	r.Helper()
	if err != nil {
		r.fatalf("%s: %v", what, err)
	}
}

// is reports an error that is not want.
func (r report) is(what string, err, want error) {
	r.Helper()
	if !errors.Is(err, want) {
		r.errorf("%s: error is %v, want %v", what, err, want)
	}
}

// same reports a difference. Grants are compared by their JSON.
func (r report) same(what string, got, want any) {
	r.Helper()
	if d := diff(got, want); d != "" {
		r.errorf("%s (-want +got):\n%s", what, d)
	}
}

func diff(got, want any) string {
	return cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.Prefix{}),
		cmp.Transformer("JSON", func(g authz.Grant) string {
			b, err := json.Marshal(g)
			return fmt.Sprint(string(b), err)
		}))
}

// each runs f(0) to f(n-1) at once and returns their errors.
func each(n int, f func(i int) error) []error {
	errs := make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = f(i)
		})
	}
	close(start)
	wg.Wait()
	return errs
}

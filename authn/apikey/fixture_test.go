package apikey_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/internal/overlay"
	"medtwin.ai/tollgate/internal/testkit"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/memory"
)

// spy is a store.Keys that counts and can be made to fail, or to stop between
// reading the record and returning it.
type spy struct {
	store.Keys
	finds, touches atomic.Int64
	fail           atomic.Pointer[error]
	read           atomic.Pointer[func()] // runs after the read, before the return
	hang           atomic.Bool            // answers only when the context ends
	readOnly       atomic.Pointer[error]
	hangTouch      atomic.Bool
}

func (s *spy) Find(ctx context.Context, d keyfmt.Digest) (store.Key, store.Owner, error) {
	s.finds.Add(1)
	if err := s.fail.Load(); err != nil {
		return store.Key{}, store.Owner{}, *err
	}
	if s.hang.Load() {
		<-ctx.Done()
		return store.Key{}, store.Owner{}, ctx.Err()
	}
	key, owner, err := s.Keys.Find(ctx, d)
	if f := s.read.Load(); f != nil {
		(*f)()
	}
	return key, owner, err
}

func (s *spy) BeginGrace(ctx context.Context, id string, now time.Time) error {
	if err := s.readOnly.Load(); err != nil {
		return *err
	}
	return s.Keys.BeginGrace(ctx, id, now)
}

func (s *spy) Touch(ctx context.Context, uses []store.Use) error {
	if s.hangTouch.Load() {
		<-ctx.Done()
		return ctx.Err()
	}
	s.touches.Add(int64(len(uses)))
	if err := s.fail.Load(); err != nil {
		return *err
	}
	return s.Keys.Touch(ctx, uses)
}

// A door is everything a test needs to knock.
type door struct {
	t     testing.TB
	store *memory.Store
	spy   *spy
	model *authz.Model
	keys  *apikey.Manager
	mw    *authn.Middleware
	op    *authn.Principal
	now   time.Time
}

const account = "acct_1"

func newDoor(t testing.TB, change ...func(*apikey.Config, *authn.Config)) *door {
	t.Helper()
	d := &door{t: t, op: authn.Operator(account), now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
	var err error
	if d.store, err = memory.New(memory.Config{}); err != nil {
		t.Fatal(err)
	}
	d.spy = &spy{Keys: d.store.Keys()}
	if err := d.store.Accounts().Create(t.Context(), store.Account{ID: account, Status: authz.Active, Created: d.now}); err != nil {
		t.Fatal(err)
	}
	d.model, err = authz.NewModel(authz.ModelConfig{Permissions: []string{"read", "write", "admin"}, ReadOnly: []string{"read"}, Kinds: []string{"projects"}})
	if err != nil {
		t.Fatal(err)
	}
	kc := apikey.Config{
		Store: overlay.Keys(d.store, d.spy), Model: d.model, Formats: formats(t), Peppers: peppers(t),
		Roles: d.roles, Manage: "admin",
	}
	c := authn.Config{Now: func() time.Time { return d.now }}
	for _, f := range change {
		f(&kc, &c)
	}
	if d.keys, err = apikey.New(kc); err != nil {
		t.Fatal(err)
	}
	c.Authenticators = append(c.Authenticators, d.keys)
	if d.mw, err = authn.New(c); err != nil {
		t.Fatal(err)
	}
	return d
}

func formats(t testing.TB) map[string]keyfmt.Format {
	t.Helper()
	m := map[string]keyfmt.Format{}
	for _, env := range []string{"live", "test"} {
		f, err := keyfmt.New("mt_" + env + "_")
		if err != nil {
			t.Fatal(err)
		}
		m[env] = f
	}
	return m
}

func pepper(id string) keyfmt.Pepper {
	secret := make([]byte, 32)
	for i := range secret {
		secret[i] = byte(i) ^ id[1]
	}
	return keyfmt.Pepper{ID: id, Secret: secret}
}

func peppers(t testing.TB, ids ...string) *keyfmt.Keyring {
	t.Helper()
	var ps []keyfmt.Pepper
	for _, id := range append(ids, "p1") {
		ps = append(ps, pepper(id))
	}
	k, err := keyfmt.NewKeyring(ps[0], ps[1:]...)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (d *door) spec() apikey.Spec {
	g := d.model.Everything()
	return apikey.Spec{Name: "server", Environment: "live", Grant: g}
}

func (d *door) issue(change ...func(*apikey.Spec)) (store.Key, string) {
	d.t.Helper()
	spec := d.spec()
	for _, f := range change {
		f(&spec)
	}
	key, token, err := d.keys.Issue(d.t.Context(), d.op, spec, d.now)
	if err != nil {
		d.t.Fatal(err)
	}
	return key, token.Reveal()
}

// ask is one authentication, past the middleware.
func (d *door) ask(token string) (*authn.Principal, error) {
	return d.keys.Authenticate(d.t.Context(), authn.NewCredential("Bearer", token), d.now)
}

func request(authorization ...string) *http.Request { return testkit.Request(authorization...) }

// knock sends r through the middleware, and reports whether the handler ran.
func (d *door) knock(r *http.Request) (rec *httptest.ResponseRecorder, passed bool) {
	return testkit.Knock(d.mw, r)
}

// recall asks a memory alone.
func recall(a authn.Authenticator, c authn.Credential, now time.Time) *authn.Principal {
	c.MemoryOnly = true
	p, err := a.Authenticate(context.Background(), c, now)
	if err != nil {
		return nil
	}
	return p
}

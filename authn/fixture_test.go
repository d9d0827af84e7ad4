package authn_test

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
	finds atomic.Int64
	fail  atomic.Pointer[error]
	read  atomic.Pointer[func()] // runs after the read, before the return
	hang  atomic.Bool            // answers only when the context ends
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

// A door is everything a test needs to knock.
type door struct {
	t     testing.TB
	db    *memory.Store
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
	db, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	d.db, d.spy = db, &spy{Keys: db.Keys()}
	if err := db.Accounts().Create(t.Context(), store.Account{ID: account, Status: authz.Active, Created: d.now}); err != nil {
		t.Fatal(err)
	}
	if d.model, err = authz.NewModel(authz.ModelConfig{Permissions: []string{"read"}}); err != nil {
		t.Fatal(err)
	}
	peppers, err := keyfmt.NewKeyring(keyfmt.GeneratePepper("p1"))
	if err != nil {
		t.Fatal(err)
	}
	kc := apikey.Config{Store: overlay.Keys(db, d.spy), Model: d.model, Formats: formats(t), Peppers: peppers}
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

func (d *door) issue(change ...func(*apikey.Spec)) (store.Key, string) {
	d.t.Helper()
	spec := apikey.Spec{Name: "server", Environment: "live", Grant: d.model.Everything()}
	for _, f := range change {
		f(&spec)
	}
	key, token, err := d.keys.Issue(d.t.Context(), d.op, spec, d.now)
	if err != nil {
		d.t.Fatal(err)
	}
	return key, token.Reveal()
}

func request(authorization ...string) *http.Request { return testkit.Request(authorization...) }

// knock sends r through the middleware, and reports whether the handler ran.
func (d *door) knock(r *http.Request) (rec *httptest.ResponseRecorder, passed bool) {
	return testkit.Knock(d.mw, r)
}

// used returns when the store says that a key was last used.
func (d *door) used(id string) time.Time {
	d.t.Helper()
	key, err := d.db.KeyAdmin().Get(d.t.Context(), account, id)
	if err != nil {
		d.t.Fatal(err)
	}
	return key.Used
}

func must[T any](v T, err error) T { return testkit.Must(v, err) }

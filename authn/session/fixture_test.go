package session_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authn/session"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/internal/overlay"
	"medtwin.ai/tollgate/internal/testkit"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/memory"
)

const userID, account, cookieName = "user_1", "acct_1", "__Host-sess"

// spy is a store.Sessions that counts and can fail.
type spy struct {
	store.Sessions
	finds, touched atomic.Int64
	fail           atomic.Pointer[error]
	list           error // instead of a list
}

func (s *spy) Find(ctx context.Context, d keyfmt.Digest) (store.Session, error) {
	s.finds.Add(1)
	if err := s.fail.Load(); err != nil {
		return store.Session{}, *err
	}
	return s.Sessions.Find(ctx, d)
}

func (s *spy) List(ctx context.Context, user string) ([]store.Session, error) {
	if err := errors.Join(s.list, ctx.Err()); err != nil {
		return nil, err
	}
	return s.Sessions.List(ctx, user)
}

func (s *spy) Touch(ctx context.Context, uses []store.Use) error {
	s.touched.Add(int64(len(uses)))
	return s.Sessions.Touch(ctx, uses)
}

// byHand is a store.Users to whose users someone does what the store would
// never do alone, such as a suspension that leaves the epoch.
type byHand struct {
	store.Users
	do  func(*store.User)
	err error
}

// replace puts b in the place of the users of c.
func (b *byHand) replace(c *session.Config) {
	b.Users = c.Store.Users()
	c.Store = overlay.Users(c.Store, b)
}

func (b *byHand) Get(ctx context.Context, id string) (store.User, error) {
	u, err := b.Users.Get(ctx, id)
	if b.err != nil {
		return store.User{}, b.err
	}
	if b.do != nil {
		b.do(&u)
	}
	return u, err
}

// A lobby is a door for people, which lets keys in as well.
type lobby struct {
	t        testing.TB
	store    *memory.Store
	spy      *spy
	model    *authz.Model
	sessions *session.Manager
	keys     *apikey.Manager
	mw       *authn.Middleware
	now      time.Time
}

func newLobby(t testing.TB, change ...func(*session.Config)) *lobby {
	t.Helper()
	ctx := t.Context()
	l := &lobby{
		t: t, store: must(memory.New(memory.Config{})),
		now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC),
	}
	for _, err := range []error{
		l.store.Accounts().Create(ctx, store.Account{ID: account, Status: authz.Active, Created: l.now}),
		l.store.Users().Create(ctx, store.User{ID: userID, Email: "a@example.com", Status: authz.Active, Created: l.now}),
		l.store.Memberships().Put(ctx, store.Membership{User: userID, Account: account, Role: "editor", Created: l.now}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	l.model = must(authz.NewModel(authz.ModelConfig{Permissions: []string{"read", "write"}, ReadOnly: []string{"read"}, Kinds: []string{"projects"}}))
	peppers := must(keyfmt.NewKeyring(keyfmt.Pepper{ID: "p1", Secret: []byte("0123456789abcdefghijklmnopqrstuv")}))
	editor, viewer := l.model.Everything(), l.model.Everything()
	viewer.Permissions = authz.Of("read")
	l.spy = &spy{Sessions: l.store.Sessions()}
	c := session.Config{
		Store: overlay.Sessions(l.store, l.spy),
		Model: l.model, Roles: func(m store.Membership) []authz.Grant {
			switch m.Role {
			case "editor":
				return []authz.Grant{editor}
			case "viewer":
				return []authz.Grant{viewer}
			}
			return nil
		},
		Format: must(keyfmt.New("sess_")), Peppers: peppers,
	}
	for _, f := range change {
		f(&c)
	}
	l.sessions = must(session.New(c))
	l.keys = must(apikey.New(apikey.Config{
		Store: l.store, Model: l.model, Peppers: peppers,
		Formats: map[string]keyfmt.Format{"live": must(keyfmt.New("mt_live_"))},
	}))
	l.mw = must(authn.New(authn.Config{
		Authenticators: []authn.Authenticator{l.keys, l.sessions}, Cookie: cookieName,
		Now: func() time.Time { return l.now },
	}))
	return l
}

func must[T any](v T, err error) T { return testkit.Must(v, err) }

func (l *lobby) user() store.User {
	l.t.Helper()
	u, err := l.store.Users().Get(l.t.Context(), userID)
	if err != nil {
		l.t.Fatal(err)
	}
	return u
}

func (l *lobby) start(change ...func(*session.Spec)) (store.Session, string) {
	l.t.Helper()
	spec := session.Spec{User: l.user(), Account: account, Agent: "test"}
	for _, f := range change {
		f(&spec)
	}
	s, token, err := l.sessions.Start(l.t.Context(), spec, l.now)
	if err != nil {
		l.t.Fatal(err)
	}
	return s, token.Reveal()
}

func (l *lobby) enter(token string) (*authn.Principal, error) {
	return l.sessions.Authenticate(l.t.Context(), authn.NewCredential("Session", token), l.now)
}

// issue returns an API key of the account.
func (l *lobby) issue() string {
	l.t.Helper()
	_, token, err := l.keys.Issue(l.t.Context(), authn.Operator(account), apikey.Spec{Name: "server", Environment: "live", Grant: l.model.Everything()}, l.now)
	if err != nil {
		l.t.Fatal(err)
	}
	return token.Reveal()
}

func request(authorization ...string) *http.Request { return testkit.Request(authorization...) }

// knock sends r through the middleware, and reports whether the handler ran.
func (l *lobby) knock(r *http.Request) (rec *httptest.ResponseRecorder, passed bool) {
	return testkit.Knock(l.mw, r)
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

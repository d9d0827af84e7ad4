package login_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/login"
	"medtwin.ai/tollgate/authn/password"
	"medtwin.ai/tollgate/authn/session"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/internal/overlay"
	"medtwin.ai/tollgate/internal/testkit"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/ratelimit"
	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/memory"
)

const (
	right, wrong = "glacier mango tutor velvet", "glacier mango tutor velour"
	other        = "harbour violin cactus ninety"

	ann, annEmail = "user_ann", "ann@example.com"
	account       = "acct_1"
)

var home = netip.MustParseAddr("192.0.2.1")

// hashed is what stands for right, made once.
var hashed = sync.OnceValue(func() string {
	return must(must(password.New(password.Config{})).Hash(context.Background(), right))
})

func must[T any](v T, err error) T { return testkit.Must(v, err) }

// spy is a store.Users that can fail, and do something between two steps.
type spy struct {
	store.Users
	reads    atomic.Int64
	err      error
	read     func() // after a user is read, before they are returned
	rehash   func() error
	replaced func() // after their password is replaced
}

func (s *spy) after(u store.User, err error) (store.User, error) {
	s.reads.Add(1)
	if s.err != nil {
		return store.User{}, s.err
	}
	if s.read != nil {
		s.read()
	}
	return u, err
}

func (s *spy) ByEmail(ctx context.Context, email string) (store.User, error) {
	return s.after(s.Users.ByEmail(ctx, email))
}

func (s *spy) Get(ctx context.Context, id string) (store.User, error) {
	return s.after(s.Users.Get(ctx, id))
}

func (s *spy) Rehash(ctx context.Context, id, old, next string) error {
	if s.rehash != nil {
		if err := s.rehash(); err != nil {
			return err
		}
	}
	return s.Users.Rehash(ctx, id, old, next)
}

func (s *spy) SetPassword(ctx context.Context, was store.User, next string) (int64, error) {
	epoch, err := s.Users.SetPassword(ctx, was, next)
	if s.replaced != nil {
		s.replaced()
	}
	return epoch, err
}

// full is a store.Sessions that can refuse new ones.
type full struct {
	store.Sessions
	err error
}

func (f *full) Create(ctx context.Context, s store.Session) error {
	if f.err != nil {
		return f.err
	}
	return f.Sessions.Create(ctx, s)
}

// A desk is where people log in.
type desk struct {
	t        testing.TB
	store    *memory.Store
	users    *spy
	full     *full
	sessions *session.Manager
	logins   *login.Manager
	config   login.Config
	log      bytes.Buffer
	now      time.Time
}

func newDesk(t testing.TB, change ...func(*login.Config)) *desk {
	t.Helper()
	d := &desk{t: t, store: must(memory.New(memory.Config{})), now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
	ctx := t.Context()
	d.users, d.full = &spy{Users: d.store.Users()}, &full{Sessions: d.store.Sessions()}
	for _, err := range []error{
		d.store.Accounts().Create(ctx, store.Account{ID: account, Status: authz.Active, Created: d.now}),
		d.store.Accounts().Create(ctx, store.Account{ID: "acct_0", Status: authz.Active, Created: d.now}),
		d.store.Users().Create(ctx, store.User{ID: ann, Email: annEmail, Name: "Ann Archer", Password: hashed(), Status: authz.Active, Created: d.now}),
		d.store.Memberships().Put(ctx, store.Membership{User: ann, Account: account, Role: "owner", Created: d.now}),
		d.store.Memberships().Put(ctx, store.Membership{User: ann, Account: "acct_0", Role: "owner", Created: d.now.Add(time.Hour)}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	model := must(authz.NewModel(authz.ModelConfig{Permissions: []string{"read"}, ReadOnly: []string{"read"}, Kinds: []string{"projects"}}))
	db := overlay.Users(overlay.Sessions(d.store, d.full), d.users)
	d.sessions = must(session.New(session.Config{
		Store: db, Model: model,
		Roles:  func(store.Membership) []authz.Grant { return []authz.Grant{model.Everything()} },
		Format: must(keyfmt.New("sess_")), Peppers: must(keyfmt.NewKeyring(keyfmt.GeneratePepper("p1"))),
	}))
	log := slog.New(slog.NewTextHandler(&d.log, nil))
	d.config = login.Config{
		Store: db, Sessions: d.sessions,
		Passwords: must(password.New(password.Config{Logger: log, Wait: time.Minute})),
		Limits:    login.Limits{Address: atMost(20), Source: atMost(5), Account: atMost(100), Device: atMost(5)},
		Secret:    []byte("0123456789abcdefghijklmnopqrstuv"), Logger: log,
	}
	for _, f := range change {
		f(&d.config)
	}
	d.logins = must(login.New(d.config))
	return d
}

// atMost allows n failures in a quarter of an hour.
func atMost(n int64) *ratelimit.Failures {
	plan := must(ratelimit.NewPlan("failures", ratelimit.Limit{Name: "quarter", Quota: n, Window: 15 * time.Minute}))
	return must(ratelimit.NewFailures(ratelimit.NewMemory(4096), plan))
}

// endless counts nothing.
type endless struct{}

func (endless) Peek(string, time.Time) (int64, time.Duration) { return math.MaxInt64, 0 }
func (endless) Count(string, time.Time)                       {}

// unlimited is for what is not about limits.
func unlimited(c *login.Config) {
	c.Limits = login.Limits{Address: endless{}, Source: endless{}, Account: endless{}, Device: endless{}}
}

func (d *desk) try(email, text string, change ...func(*login.Attempt)) (login.Success, error) {
	a := login.Attempt{Email: email, Password: text, Address: home, Agent: "test"}
	for _, f := range change {
		f(&a)
	}
	return d.logins.Login(d.t.Context(), a, d.now)
}

// enter logs ann in.
func (d *desk) enter(change ...func(*login.Attempt)) login.Success {
	d.t.Helper()
	s, err := d.try(annEmail, right, change...)
	if err != nil {
		d.t.Fatal(err)
	}
	return s
}

func from(addr string) func(*login.Attempt) {
	return func(a *login.Attempt) { a.Address = netip.MustParseAddr(addr) }
}

func with(device string) func(*login.Attempt) {
	return func(a *login.Attempt) { a.Device = device }
}

func cookie(a *login.Attempt) { a.Cookie = true }

// who asks the sessions whose token that is.
func (d *desk) who(s login.Success) (*authn.Principal, error) {
	c := authn.NewCredential("session", s.Token.Reveal())
	c.Cookie = s.Session.Cookie
	return d.sessions.Authenticate(d.t.Context(), c, d.now)
}

func (d *desk) user(id string) store.User {
	d.t.Helper()
	u, err := d.store.Users().Get(d.t.Context(), id)
	if err != nil {
		d.t.Fatal(err)
	}
	return u
}

// add adds a member of the account.
func (d *desk) add(id, hash string, status authz.Status) (email string) {
	d.t.Helper()
	email = id + "@example.com"
	if err := errors.Join(
		d.store.Users().Create(d.t.Context(), store.User{ID: id, Email: email, Password: hash, Status: status, Created: d.now}),
		d.store.Memberships().Put(d.t.Context(), store.Membership{User: id, Account: account, Role: "owner", Created: d.now}),
	); err != nil {
		d.t.Fatal(err)
	}
	return email
}

// throttled returns after how long an attempt may be repeated, 0 for any other
// outcome.
func throttled(err error) time.Duration {
	if e, ok := errors.AsType[*authn.ThrottledError](err); ok {
		return e.Retry
	}
	return 0
}

// hashes counts the Argon2id that f runs by the memory that each takes, 19 MiB,
// and nothing else here comes near.
func hashes(f func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	const each = 19 << 20
	return int((after.TotalAlloc - before.TotalAlloc + each/2) / each)
}

package tollgate

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/internal/loglimit"
	"medtwin.ai/tollgate/internal/recall"
	"medtwin.ai/tollgate/store"
)

// A User is the person whom an application with its own login has identified.
//
// A person's keys are bound by the last role that the gate saw. If a role ends while
// its holder stays away, tell the store: Memberships().Put or Remove. Do the same if
// your role claims can be stale: the gate believes and stores whatever Config.User
// returns.
type User struct {
	ID      string // the application's id of the person; any text of up to 128 bytes
	Account string // that the person acts for, with its keys, plan and data; likewise
	Role    string // what the person may do there: see Config.Roles

	// LoggedIn is when the person last proved their identity, which routes with
	// Need.Recent and the making of keys ask for. Default: now, which trusts the
	// application's session for as long as it lasts.
	LoggedIn time.Time
}

// maxUserText bounds what a User says, which becomes ids in the store.
const maxUserText = 128

// users turns the application's users into principals. The store learns of an
// account, a user and a membership when they are first seen, and of a role when
// it has changed, so that the keys of these people are bounded by what they may
// do at present.
type users struct {
	store        store.Store
	ask          func(*http.Request) (*User, error)
	rights       func(store.Account, authz.Status, store.Membership) *authz.Rights
	environments []string
	memory       *recall.Memory[*member]
}

// A member is what the store says about a user.
type member struct {
	account store.Account
	rights  *authz.Rights
}

func newUsers(c Config, m *authz.Model) *users {
	u := &users{store: c.Store, ask: c.User, environments: c.Environments}
	powerless := loglimit.Log{Logger: c.Logger}
	u.rights = func(a store.Account, status authz.Status, member store.Membership) *authz.Rights {
		var role []authz.Grant
		if status == authz.Active && member.User != "" {
			if role = c.Roles(member); len(role) == 0 {
				powerless.Write(context.Background(), c.Now(), slog.LevelWarn,
					"a person's role may do nothing: give it grants in Config.Roles, or return one of its roles from Config.User (by default owner, admin, editor and viewer)",
					slog.String("role", member.Role))
			}
		}
		return m.Rights(a.Status, []authz.Grant{m.Everything()}, role)
	}
	u.memory = recall.New[*member](recall.Config{
		Size: recall.DefaultSize, Lease: recall.DefaultLease, OutageLease: c.OutageLease, Timeout: recall.DefaultTimeout,
		Changes: store.MainChanges(c.Store), Touch: func(context.Context, []store.Use) error { return nil },
		Grain: time.Hour, Logger: c.Logger,
	}, nil)
	return u
}

// principal returns who is logged in, or nil for nobody.
func (u *users) principal(r *http.Request, environment string, now time.Time) (*authn.Principal, error) {
	who, err := u.ask(r)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: Config.User: %w", authn.ErrUnavailable, err)
	case who == nil:
		return nil, nil
	}
	if err := who.check(); err != nil {
		return nil, fmt.Errorf("%w: Config.User: %w", authn.ErrUnavailable, err)
	}
	environment = cmp.Or(environment, u.environments[0])
	if !slices.Contains(u.environments, environment) {
		return nil, authn.ErrEnvironment
	}
	known, err := u.know(r.Context(), *who, now)
	if err != nil {
		return nil, err
	}
	return &authn.Principal{
		Kind: authn.KindUser, ID: who.ID, Account: who.Account, User: who.ID, Environment: environment,
		Proved:  cmp.Or(who.LoggedIn, now),
		Subject: who.Account + "/" + environment, AccountPlan: known.account.Plan, Limits: known.account.Limits,
		Rights: known.rights,
	}, nil
}

func (u User) check() error {
	for _, f := range []struct{ name, text string }{{"ID", u.ID}, {"Account", u.Account}, {"Role", u.Role}} {
		if f.text == "" || len(f.text) > maxUserText {
			return fmt.Errorf("field %s of the User has %d bytes: want 1 to %d", f.name, len(f.text), maxUserText)
		}
		if !utf8.ValidString(f.text) || strings.ContainsRune(f.text, 0) {
			return fmt.Errorf("field %s of the User is %q: want UTF-8 without U+0000", f.name, f.text)
		}
	}
	if u.ID == operator {
		return fmt.Errorf("field ID of the User is %q, which is how records call the operator", u.ID)
	}
	return nil
}

// operator is how records call trusted code that made or changed them.
const operator = "operator"

// know returns what the store says about who, from memory if that still holds.
func (u *users) know(ctx context.Context, who User, now time.Time) (*member, error) {
	e, err := u.memory.Get(ctx, who.token(), now, func(ctx context.Context, e *recall.Entry[*member]) error {
		if err := u.meet(ctx, who, now); err != nil {
			return err
		}
		known, err := u.read(ctx, who.Account, who.ID)
		if err != nil {
			return err
		}
		e.About(who.Account, who.ID, "")
		e.Value = known
		return nil
	})
	if err != nil {
		return nil, err
	}
	return e.Value, nil
}

// token tells users apart in the memory.
func (u User) token() string {
	h := sha256.New()
	for _, s := range []string{u.ID, u.Account, u.Role} {
		binary.Write(h, binary.BigEndian, int64(len(s)))
		h.Write([]byte(s))
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// meet makes the records of who, as far as they are missing or say another role.
// Several processes may do so at once.
func (u *users) meet(ctx context.Context, who User, now time.Time) error {
	m, err := u.store.Memberships().Get(ctx, who.Account, who.ID)
	switch {
	case err == nil && m.Role == who.Role:
		return nil
	case err == nil: // with the scope that it has
		m.Role = who.Role
		defer u.memory.Forget(who.ID) // the cached rights are those of the former role
		return u.store.Memberships().Put(ctx, m)
	case !errors.Is(err, store.ErrNotFound):
		return err
	}
	err = u.store.Accounts().Create(ctx, store.Account{ID: who.Account, Name: who.Account, Status: authz.Active, Created: now.UTC()})
	if err != nil && !errors.Is(err, store.ErrConflict) {
		return err
	}
	err = u.store.Users().Create(ctx, store.User{ID: who.ID, Status: authz.Active, Created: now.UTC()})
	if err != nil && !errors.Is(err, store.ErrConflict) {
		return err
	}
	return u.store.Memberships().Put(ctx, store.Membership{User: who.ID, Account: who.Account, Role: who.Role, Created: now.UTC()})
}

// read returns what the store says at present about a user in an account.
func (u *users) read(ctx context.Context, account, id string) (*member, error) {
	a, err := u.store.Accounts().Get(ctx, account)
	if err != nil {
		return nil, err
	}
	user, err := u.store.Users().Get(ctx, id)
	if err != nil {
		return nil, err
	}
	m, err := u.store.Memberships().Get(ctx, account, id)
	if err != nil && !errors.Is(err, store.ErrNotFound) { // who has left may do nothing
		return nil, err
	}
	return &member{a, u.rights(a, user.Status, m)}, nil
}

// fresh returns p with the rights that the store gives at present.
func (u *users) fresh(ctx context.Context, p *authn.Principal, _ time.Time) (*authn.Principal, error) {
	known, err := u.read(ctx, p.Account, p.User)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", authn.ErrUnavailable, err)
	}
	now := *p
	now.Rights, now.AccountPlan, now.Limits = known.rights, known.account.Plan, known.account.Limits
	return &now, nil
}

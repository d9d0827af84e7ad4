package tollgate

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/problem"
	"medtwin.ai/tollgate/ratelimit"
	"medtwin.ai/tollgate/store"
)

// Config of a [Gate]. The zero value of every optional field is the safe choice.
type Config struct {
	// Store keeps accounts, keys, people and sessions: memory.New,
	// sqlitestore.Open or pgstore.Open. Required.
	Store store.Store
	// Secrets are what digests and signatures are made with:
	// keyfmt.OpenKeyring("acme.secrets") creates the file at first use. New
	// fails if Store was used under secrets that are not here. Required.
	Secrets *keyfmt.Keyring

	// Prefix of the keys: "acme" gives acme_live_… and acme_test_…. Required.
	Prefix string
	// Environments that callers act in; sessions act in the first unless a
	// request asks for another in X-Environment. Default: "live" and "test".
	Environments []string
	// Permissions that a caller can hold, such as "read" or "notes:write".
	// Required.
	Permissions []string
	// ReadOnly are those that change nothing. Default: none.
	ReadOnly []string
	// Resources are the kinds of thing that a key can be limited to, such as
	// "projects". Default: none.
	Resources []string
	// Roles gives the grants of a member of an account: what the member may do,
	// and what bounds the keys that they make. Default: owner and admin hold
	// every permission, editor every one but "admin", viewer ReadOnly, each
	// within the scope of the membership; any other role holds nothing.
	Roles func(store.Membership) []authz.Grant
	// RoleNames are the roles that members can be given, strongest first. The first is
	// that of the owners: only they make and unmake owners, and one of them stays.
	// Default: those of owner, admin, editor and viewer to which Roles gives grants.
	RoleNames []string
	// ManageKeys is the permission to manage the keys of the account and of its
	// other members. Default: "admin" if that is one of Permissions, else nobody
	// but the operator may.
	ManageKeys string
	// MaxKeys is how many keys that have not ended an account may hold.
	// Default: 1,000.
	MaxKeys int

	// Plans by name, in the notation of ratelimit.ParsePlan: "60-M, 10000-D".
	// Default: requests are not limited.
	Plans map[string]string
	// DefaultPlan is the plan of accounts that have none. Required if there are
	// Plans, but for a single one, which is the default then.
	DefaultPlan string
	// EnvironmentPlans sets the plan of an environment, whatever the account's
	// plan is: {"test": "free"}. Default: none.
	EnvironmentPlans map[string]string
	// LimitPerKey counts every key on its own, with those it was rotated from.
	// Default: all keys of an account and environment share the plan, so that a
	// new key brings no fresh budget.
	LimitPerKey bool
	// Limits counts requests. Default: in this process.
	Limits ratelimit.Store

	// User returns the user whom the application has logged in, or nil for nobody. It
	// is called for requests without an Authorization header and replaces the session
	// cookie. Default: the gate's own sessions.
	User func(*http.Request) (*User, error)
	// Authenticators recognise further credentials of the Authorization header,
	// such as JWTs. Default: keys and sessions alone.
	Authenticators []authn.Authenticator
	// Verifiers know the keys of other systems by their hashes, under a name that is
	// stored with every imported key until its first use: see apikey.Manager.Import.
	// Default: no key is imported.
	Verifiers map[string]apikey.Verifier
	// PasswordWords are words that no password may be made of, such as the name of
	// the application. Prefix is always one of them. Default: none besides.
	PasswordWords []string
	// TrustedProxies may set X-Forwarded-For. Default: none, and a warning if
	// the header arrives.
	TrustedProxies []netip.Prefix
	// TrustedOrigins are the other origins whose pages may act with a user's
	// cookie: "https://app.example.com". Default: none.
	TrustedOrigins []string
	// OutageLease is how long known credentials outlive an outage of Store: see
	// apikey.Config. Default: no longer than without an outage.
	OutageLease time.Duration

	// Retention is for how long records are kept that have ended. Default: 30 days
	// for sessions, 400 days for keys and events.
	Retention Retention

	// Middleware wraps the handlers of Handle and Public: behind the gate, where
	// authn.FromContext names the caller, for metrics and logs. It must not wrap the
	// http.ResponseWriter, which would hide Flush and Hijack. Default: none.
	Middleware func(http.Handler) http.Handler
	// OnEvent hears of every event of [Gate.Record] once it is stored, also of one that
	// is recorded twice; webhooks are sent from here. It must not wait for the network.
	// Default: nobody hears.
	OnEvent func(context.Context, store.Event) error

	// Errors writes refusals. Default: problem.Write, RFC 9457.
	Errors problem.Writer
	// Logger records outages and refusals, never a secret. Default:
	// slog.Default().
	Logger *slog.Logger
	// Now is the clock. Default: time.Now.
	Now func() time.Time
}

// A Retention says for how long a gate keeps records: sessions and keys after they
// have expired or were revoked, events after they happened. 0 is the default of
// [Config], and a negative one keeps for ever.
type Retention struct{ Sessions, Keys, Events time.Duration }

const day = 24 * time.Hour

func (r Retention) withDefaults() Retention {
	return Retention{cmp.Or(r.Sessions, 30*day), cmp.Or(r.Keys, 400*day), cmp.Or(r.Events, 400*day)}
}

// The limits that every gate has besides the plans. They are counted by account
// and environment, and by client address for failures.
const (
	deniedLimit  = "60-M"        // requests that were denied
	freeLimit    = "60-M"        // requests that cost nothing of the plan
	failureLimit = "20-M, 200-H" // failed authentications
)

const (
	defaultMaxKeys = 1000
	// adminPermission manages keys, if an application has it.
	adminPermission = "admin"
)

// withDefaults returns c with its defaults. It does not change what the caller
// holds.
func (c Config) withDefaults() Config {
	if len(c.Environments) == 0 {
		c.Environments = []string{"live", "test"}
	}
	c.MaxKeys = cmp.Or(c.MaxKeys, defaultMaxKeys)
	if c.ManageKeys == "" && slices.Contains(c.Permissions, adminPermission) {
		c.ManageKeys = adminPermission
	}
	if len(c.Plans) == 1 && c.DefaultPlan == "" {
		c.DefaultPlan = slices.Collect(maps.Keys(c.Plans))[0]
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Errors == nil {
		c.Errors = problem.Write
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// roles returns the default of Config.Roles.
func (c Config) roles(m *authz.Model) func(store.Membership) []authz.Grant {
	permissions := map[string][]string{
		"owner": c.Permissions, "admin": c.Permissions, "viewer": c.ReadOnly,
		"editor": slices.DeleteFunc(slices.Clone(c.Permissions), func(p string) bool { return p == adminPermission }),
	}
	return func(member store.Membership) []authz.Grant {
		held := permissions[member.Role]
		if len(held) == 0 {
			return nil
		}
		g := m.Everything()
		g.Permissions = authz.Of(held...)
		maps.Copy(g.Scope, member.Scope)
		return []authz.Grant{g}
	}
}

// roleNames returns Config.RoleNames or its default.
func (c Config) roleNames() []string {
	if len(c.RoleNames) > 0 {
		return slices.Clone(c.RoleNames)
	}
	return slices.DeleteFunc([]string{"owner", "admin", "editor", "viewer"}, func(role string) bool {
		return len(c.Roles(store.Membership{Role: role})) == 0
	})
}

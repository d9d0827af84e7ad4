package tollgate

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/internal/suggest"
	"medtwin.ai/tollgate/ratelimit"
)

// check returns everything that is wrong with c, which has its defaults, and what
// to do about it.
func (c Config) check() error {
	var errs []error
	require := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("tollgate: Config."+format, args...))
		}
	}
	join := func(field string, err error) {
		require(err == nil, "%s: %w", field, err)
	}
	require(c.Store != nil, "Store is required: memory.New, sqlitestore.Open or pgstore.Open")
	require(!nilPointer(c.Store), "Store is a nil %T: handle the error of the function that returned it", c.Store)
	require(!nilPointer(c.Limits), "Limits is a nil %T: handle the error of the function that returned it", c.Limits)
	require(c.Secrets != nil, `Secrets is required: keyfmt.OpenKeyring("acme.secrets")`)
	for i, a := range c.Authenticators {
		require(a != nil && !nilPointer(a), "Authenticators[%d] is nil: handle the error of the function that returned it", i)
	}
	require(c.MaxKeys >= 0, "MaxKeys is %d: want 0 or more", c.MaxKeys)
	require(c.OutageLease >= 0, "OutageLease is %v: want 0 or more", c.OutageLease)

	switch c.Prefix {
	case "":
		require(false, `Prefix is required: "acme" gives keys such as acme_live_…`)
	case "sess":
		require(false, `Prefix is %q, as that of sessions: want another one`, c.Prefix)
	default:
		require(!strings.HasSuffix(c.Prefix, "_"), `Prefix is %q: want it without the underscore at its end, which is added`, c.Prefix)
		_, err := newFormats(c.Prefix, c.Environments)
		join("Prefix and Environments", err)
	}
	for i, env := range c.Environments {
		require(!slices.Contains(c.Environments[:i], env), "Environments has %q twice", env)
	}

	require(len(c.Permissions) > 0, `Permissions is required: what a caller can hold, such as "read" and "write"`)
	if len(c.Permissions) > 0 {
		_, err := authz.NewModel(authz.ModelConfig{Permissions: c.Permissions, ReadOnly: c.ReadOnly, Kinds: c.Resources})
		join("Permissions, ReadOnly and Resources (kinds)", err)
		require(c.ManageKeys == "" || slices.Contains(c.Permissions, c.ManageKeys),
			"ManageKeys: there is no permission %q: %s", c.ManageKeys, suggest.Names(c.ManageKeys, c.Permissions))
	}
	for i, role := range c.RoleNames {
		require(!slices.Contains(c.RoleNames[:i], role), "RoleNames has %q twice", role)
	}
	errs = append(errs, c.checkPlans())

	origins := http.NewCrossOriginProtection()
	for _, o := range c.TrustedOrigins {
		err := origins.AddTrustedOrigin(o)
		require(err == nil, `TrustedOrigins: want an origin such as "https://app.example.com": %w`, err)
	}
	for _, p := range c.TrustedProxies {
		require(p.IsValid(), "TrustedProxies has an invalid prefix: want one such as netip.MustParsePrefix(%q)", "10.0.0.0/8")
	}
	return errors.Join(errs...)
}

func (c Config) checkPlans() error {
	var errs []error
	fail := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("tollgate: Config."+format, args...))
	}
	plans := slices.Sorted(maps.Keys(c.Plans))
	for _, name := range plans {
		if _, err := ratelimit.ParsePlan(name, c.Plans[name]); err != nil {
			fail("Plans[%q]: %w", name, err)
		}
	}
	_, known := c.Plans[c.DefaultPlan]
	switch {
	case len(plans) > 0 && c.DefaultPlan == "":
		fail("DefaultPlan is required: one of %q", plans)
	case c.DefaultPlan != "" && !known:
		fail("DefaultPlan: there is no plan %q: %s", c.DefaultPlan, suggest.Names(c.DefaultPlan, plans))
	}
	for _, env := range slices.Sorted(maps.Keys(c.EnvironmentPlans)) {
		if !slices.Contains(c.Environments, env) {
			fail("EnvironmentPlans: there is no environment %q: %s", env, suggest.Names(env, c.Environments))
		}
		if name := c.EnvironmentPlans[env]; c.Plans[name] == "" {
			fail("EnvironmentPlans[%q]: there is no plan %q: %s", env, name, suggest.Names(name, plans))
		}
	}
	return errors.Join(errs...)
}

// nilPointer reports whether v is an interface that holds a nil pointer, which
// compares unequal to nil and panics when it is used.
func nilPointer(v any) bool {
	p := reflect.ValueOf(v)
	return p.Kind() == reflect.Pointer && p.IsNil()
}

// mustBeMade panics for a gate that cannot guard anything.
func (g *Gate) mustBeMade() {
	if g == nil || g.model == nil {
		panic("tollgate: this Gate is nil or zero: make it with tollgate.New, and handle its error")
	}
}

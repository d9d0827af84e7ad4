package tollgate

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authn/login"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/internal/suggest"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

// accountFlag declares --account, and returns the account that find finds for it.
func (c *command) accountFlag(find func(id string) (string, error)) func() (string, error) {
	id := c.flags.String("account", "", "`ID` of the account; default: the only one")
	return func() (string, error) { return find(*id) }
}

func (c *command) createKey() func() error {
	account := c.accountFlag(c.firstAccount)
	name := c.flags.String("name", "", "`NAME` that people read; required")
	environment := c.flags.String("environment", c.config.Environments[0], "one of "+strings.Join(c.config.Environments, ", "))
	permissions := c.flags.String("permissions", "", "comma-separated: "+strings.Join(c.config.Permissions, ", ")+`, or "*" for all; required`)
	expires := c.flags.String("expires", "", "`WHEN` it ends: a time (2027-01-31T00:00:00Z) or a span from now (30d, 12h); default: never")
	owner := c.flags.String("owner", "", "email address or `ID` of the member whose rights bound the key; default: it is the account's own")
	endpoints := c.flags.String("endpoints", "*", "comma-separated `IDS` of the routes that it is limited to, as in \"projects.*, reports.get\"")
	addresses := c.flags.String("addresses", "", "comma-separated `PREFIXES` that it may be used from, as in 192.0.2.0/24; default: anywhere")
	plan := c.flags.String("plan", "", "a `PLAN` of its own; default: the account's")
	scopes := make(map[string]*string, len(c.config.Resources))
	for _, kind := range c.config.Resources {
		flag := kind
		if c.flags.Lookup(flag) != nil {
			flag = "scope-" + kind
		}
		scopes[kind] = c.flags.String(flag, "", "comma-separated `IDS` of the "+kind+` that it is limited to, or "*" for all; required`)
	}
	return func() error {
		if err := c.take(); err != nil {
			return err
		}
		now := c.config.Now()
		spec := apikey.Spec{Name: *name, Environment: *environment, Grant: c.model.Everything(), Plan: *plan}
		if err := c.checkPlan(*plan, ""); err != nil {
			return err
		}
		var err error
		if spec.Grant.Endpoints, err = c.endpoints(*endpoints); err != nil {
			return err
		}
		if spec.Addresses, err = networks(*addresses); err != nil {
			return fmt.Errorf("--addresses: %w", err)
		}
		if spec.Grant.Permissions, err = c.permissions(*permissions); err != nil {
			return err
		}
		for _, kind := range c.config.Resources {
			if *scopes[kind] == "" {
				return fmt.Errorf(`which %s? Say --%[1]s with their ids, or "*" for all`, kind)
			}
			spec.Grant.Scope[kind] = set(*scopes[kind])
		}
		if *name == "" {
			return errors.New("say --name: what people call the key, 1 to 100 characters")
		}
		if !slices.Contains(c.config.Environments, *environment) {
			return fmt.Errorf("--environment: there is no environment %q: %s", *environment, suggest.Names(*environment, c.config.Environments))
		}
		if spec.Expires, err = instant(*expires, now); err != nil {
			return fmt.Errorf("--expires: %w", err)
		}
		if spec.Owner, err = c.person(*owner); err != nil {
			return err
		}
		id, err := account()
		if err != nil {
			return err
		}
		if err := c.isMember(id, spec.Owner, *owner); err != nil {
			return err
		}
		key, token, err := c.keys.Issue(c.ctx, authn.Operator(id), spec, now)
		if err != nil {
			return err
		}
		c.record(id, "key.created", key.ID, key.Name)
		return c.show(key, token)
	}
}

// endpoints reads ids of declared routes, or patterns for some. A gate whose routes are
// all on another router takes what is given.
func (c *command) endpoints(text string) (authz.Set, error) {
	given := set(text)
	var known []string
	for _, route := range c.Table() {
		if route.Public == "" && !route.Need.Person {
			known = append(known, route.Need.ID)
		}
	}
	for _, id := range given.Items() {
		prefix, pattern := strings.CutSuffix(id, "*")
		if len(known) > 0 && !slices.ContainsFunc(known, func(k string) bool {
			return k == id || pattern && strings.HasSuffix(prefix, ".") && strings.HasPrefix(k, prefix)
		}) {
			return given, fmt.Errorf("--endpoints: there is no route %q: %s; a pattern such as projects.* names several", id, suggest.Names(id, known))
		}
	}
	if !given.IsAll() && len(given.Items()) == 0 {
		return given, errors.New(`--endpoints is empty: leave it out for all routes`)
	}
	return given, nil
}

// networks reads prefixes and addresses; "" is none.
func networks(text string) (all []netip.Prefix, err error) {
	for _, item := range set(text).Items() {
		p, err := netip.ParsePrefix(item)
		if err != nil {
			a, bad := netip.ParseAddr(item)
			if bad != nil || a.Zone() != "" {
				return nil, fmt.Errorf("%q is neither a prefix such as 192.0.2.0/24 nor an address", item)
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		all = append(all, p.Masked())
	}
	return all, nil
}

// show prints a key that cannot be had again.
func (c *command) show(key store.Key, token keyfmt.Token) error {
	_, err := fmt.Fprintf(c.out, "id:  %s\nkey: %s\nThe key is shown this once.\n", key.ID, token.Reveal())
	return err
}

func (c *command) permissions(text string) (authz.Set, error) {
	held := set(text)
	if !held.IsAll() && len(held.Items()) == 0 {
		return held, fmt.Errorf("say --permissions: any of %s", strings.Join(c.config.Permissions, ", "))
	}
	for _, p := range held.Items() {
		if !slices.Contains(c.config.Permissions, p) {
			return held, fmt.Errorf("--permissions: there is no permission %q: %s", p, suggest.Names(p, c.config.Permissions))
		}
	}
	return held, nil
}

// person returns the id of a user by id or email address.
func (c *command) person(ref string) (string, error) {
	email := login.Email(ref)
	if email == "" {
		return ref, nil
	}
	user, err := c.config.Store.Users().ByEmail(c.ctx, email)
	if errors.Is(err, store.ErrNotFound) {
		return ref, nil // an application's own id may look like an address
	}
	return user.ID, err
}

// isMember returns an error if a user is no member of the account. ref is what the
// command line calls the user. It returns nil if user is "".
func (c *command) isMember(account, user, ref string) error {
	if user == "" {
		return nil
	}
	_, err := c.config.Store.Memberships().Get(c.ctx, account, user)
	switch {
	case !errors.Is(err, store.ErrNotFound):
		return err
	case c.config.User != nil:
		return fmt.Errorf("--owner: %q is no member of account %q: members are added when the application's login (Config.User) first names them", ref, account)
	}
	return fmt.Errorf("--owner: %q is no member of account %q: add that person first, with: users invite %s %s ROLE", ref, account, cmp.Or(login.Email(ref), "EMAIL"), account)
}

// set reads "a, b", or "*" for everything.
func set(text string) authz.Set {
	if strings.TrimSpace(text) == "*" {
		return authz.All()
	}
	var items []string
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return authz.Of(items...)
}

// instant reads a time or a span from now; "" is never.
func instant(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return now.AddDate(0, 0, int(n)), nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil {
		return now.Add(d), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, fmt.Errorf("%q is neither a span such as 30d or 12h nor a time such as 2027-01-31T00:00:00Z", text)
	}
	return t, nil
}

func (c *command) listKeys() func() error {
	account := c.accountFlag(c.account)
	return func() error {
		if err := c.take(); err != nil {
			return err
		}
		id, err := account()
		if err != nil {
			return err
		}
		now := c.config.Now()
		return c.table("ID\tNAME\tKEY\tSTATUS\tLAST USED\tEXPIRES", func(row func(string, ...any)) error {
			for after := ""; ; {
				page, err := c.keys.List(c.ctx, authn.Operator(id), after, 100)
				if err != nil || len(page) == 0 {
					return err
				}
				for _, k := range page {
					row("%s\t%s\t%s\t%s\t%s\t%s", k.ID, k.Name, k.Hint, standing(k, now), when(k.Used), when(k.Expires))
					after = k.ID
				}
			}
		})
	}
}

func when(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format(time.RFC3339)
}

// standing says whether a key opens anything at now.
func standing(k store.Key, now time.Time) string {
	switch {
	case !k.Revoked.IsZero():
		return "revoked"
	case k.Ended(now):
		return "expired"
	case !k.Disabled.IsZero():
		return "disabled"
	}
	return "active"
}

func (c *command) rotateKey() func() error {
	grace := c.flags.Duration("grace", 24*time.Hour, "how `LONG` the old key lives on from the first use of the new one, 168h at most in all; 0 ends it now")
	return func() error {
		old, err := c.key("ID")
		if err != nil {
			return err
		}
		key, token, err := c.keys.Rotate(c.ctx, authn.Operator(old.Account), old.ID, *grace, c.config.Now())
		if err != nil {
			return fmt.Errorf("%s: %w", old.ID, err)
		}
		c.record(key.Account, "key.rotated", old.ID, "its successor is "+key.ID)
		return c.show(key, token)
	}
}

func (c *command) revokeKey() func() error {
	reason := c.flags.String("reason", "", "`WHY`, for the record")
	return func() error {
		key, err := c.key("ID")
		if err != nil {
			return err
		}
		if err := c.keys.Revoke(c.ctx, authn.Operator(key.Account), key.ID, *reason, c.config.Now()); err != nil {
			return fmt.Errorf("%s: %w", key.ID, err)
		}
		if key.Revoked.IsZero() { // else it was before
			c.record(key.Account, "key.revoked", key.ID, *reason)
		}
		fmt.Fprintf(c.out, "%s is revoked\n", key.ID)
		return nil
	}
}

// outdatedKeys says when an old pepper can go.
func (c *command) outdatedKeys() func() error {
	return func() error {
		if err := c.take(); err != nil {
			return err
		}
		newest := c.config.Secrets.Newest()
		n, err := c.config.Store.KeyAdmin().Outdated(c.ctx, newest, c.config.Now())
		if err == nil {
			fmt.Fprintf(c.out, "%d keys are not under pepper %s yet\n", n, newest)
		}
		return err
	}
}

// key finds the key whose id the only argument is, in whatever account it is.
func (c *command) key(name string) (store.Key, error) {
	if err := c.take(name); err != nil {
		return store.Key{}, err
	}
	return c.keyAt(c.args[0])
}

func (c *command) keyAt(id string) (store.Key, error) {
	if err := c.inhabited(); err != nil {
		return store.Key{}, err
	}
	for after := ""; ; {
		page, err := c.config.Store.Accounts().List(c.ctx, after, 100)
		if err != nil {
			return store.Key{}, err
		}
		for _, a := range page {
			after = a.ID
			if key, err := c.config.Store.KeyAdmin().Get(c.ctx, a.ID, id); !errors.Is(err, store.ErrNotFound) {
				return key, err
			}
		}
		if len(page) == 0 {
			return store.Key{}, fmt.Errorf("no account has a key %q: keys list --account ACCOUNT", id)
		}
	}
}

// explainKey asks the code that serves what it would answer.
func (c *command) explainKey() func() error {
	c.notes = "example: echo KEY | PROGRAM keys explain GET /v1/projects/p1\n" +
		"Without the pipe it asks for the key, which then stays out of the history of the shell.\n"
	id := c.flags.String("id", "", "`ID` of the key, instead of the key on standard input")
	return func() error {
		if len(c.args) != 2 {
			return errors.New("want METHOD PATH, and the key on standard input or its id with --id")
		}
		u, err := url.Parse(c.args[1])
		if err != nil || !strings.HasPrefix(u.Path, "/") {
			return fmt.Errorf("%q is not a path such as /v1/projects", c.args[1])
		}
		find := c.keyOnInput
		if *id != "" {
			find = func() (store.Key, error) { return c.keyAt(*id) }
		}
		key, err := find()
		if err != nil {
			return err
		}
		owner, err := c.ownerOf(key)
		if err != nil {
			return err
		}
		p, now := c.keys.Principal(key, owner), c.config.Now()
		fmt.Fprintf(c.out, "key %s, %s, %s; account %s, %s\n", key.ID, key.Environment, standing(key, now), owner.Account.ID, owner.Account.Status)
		if c.limits.plans != nil {
			plan, from := c.limits.planOf(p)
			fmt.Fprintf(c.out, "limits: %s (%s, from the %s)\n", plan, plan.Name(), from)
		}
		route, q, ok := c.Match(&http.Request{Method: strings.ToUpper(c.args[0]), URL: u, Host: "localhost"})
		s := standing(key, now)
		switch {
		case !ok:
			fmt.Fprintln(c.out, "no route declared with Handle or Public serves this; routes of Require have no pattern here")
			return nil
		case route.Public != "":
			fmt.Fprintf(c.out, "open to everybody: %s\n", route.Public)
			return nil
		case s != "active":
			fmt.Fprintf(c.out, "401: the key is %s\n", s)
			return nil
		}
		q.Environment, q.Now = cmp.Or(q.Environment, key.Environment), now
		fmt.Fprintf(c.out, "route: %s (%s)\n%s", route.Pattern, route.Need.ID, p.Rights.Explain(q))
		if len(key.Addresses) > 0 {
			fmt.Fprintf(c.out, "only from %v; 403 from elsewhere\n", key.Addresses)
		}
		if kinds := route.Need.CheckedByHandler; len(kinds) > 0 {
			fmt.Fprintf(c.out, "what it shows or touches is limited to the key's scope: %s\n", strings.Join(kinds, ", "))
		}
		return nil
	}
}

// keyOnInput reads a key from standard input and finds its record, without
// using it.
func (c *command) keyOnInput() (store.Key, error) {
	if info, err := os.Stdin.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		fmt.Fprint(c.out, "key: ")
	}
	token, err := bufio.NewReader(io.LimitReader(os.Stdin, 4096)).ReadString('\n')
	if token = strings.TrimSpace(token); token == "" {
		return store.Key{}, fmt.Errorf("want a key on standard input: %w", cmp.Or(err, io.ErrUnexpectedEOF))
	}
	key, err := c.keys.Lookup(c.ctx, token)
	if errors.Is(err, authn.ErrRejected) {
		if err := c.inhabited(); err != nil {
			return key, err
		}
		return key, errors.New("401: that is no key of this store, or it was mistyped")
	}
	return key, err
}

// ownerOf returns whose key it is, as a request would find it.
func (c *command) ownerOf(key store.Key) (o store.Owner, err error) {
	if o.Account, err = c.config.Store.Accounts().Get(c.ctx, key.Account); err != nil || key.Owner == "" {
		return o, err
	}
	user, err := c.config.Store.Users().Get(c.ctx, key.Owner)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return o, err
	}
	o.User = user.Status
	o.Membership, err = c.config.Store.Memberships().Get(c.ctx, key.Account, key.Owner)
	if errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	return o, err
}

package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authz"
)

func createKey(f *flag.FlagSet) func(*operator) error {
	account := f.String("account", "", "`ID` or name of the account; default: the only one")
	name := f.String("name", "", "`NAME` of the key; required")
	environment := f.String("environment", live, "live or test")
	permissions := f.String("permissions", "read", "comma-separated: read, write, delete, admin; or * for these four")
	scopes := map[string]*string{
		projects:      f.String("projects", "*", "comma-separated `IDS` of the projects it is limited to"),
		artifactTypes: f.String("artifact-types", "*", "comma-separated artifact `TYPES` it is limited to"),
	}
	endpoints := f.String("endpoints", "*", "comma-separated endpoint `IDS` it is limited to, as in \"artifacts.*, rubrics.list\"")
	addresses := f.String("addresses", "", "comma-separated `PREFIXES` it may be used from; default: anywhere")
	expires := f.String("expires", "", "when it ends: a time (2027-01-31T00:00:00Z) or a span from now (30d); default: never")
	plan := f.String("plan", "", "a plan of its own; default: the account's")
	return func(o *operator) error {
		if *name == "" || len(o.args) > 0 {
			return errors.New("want --name and no arguments")
		}
		if err := o.checkKeyName(*name); err != nil { // a key, for one
			return commandError(err, "--name")
		}
		id, err := o.account(*account)
		if err != nil {
			return err
		}
		now := time.Now()
		spec := apikey.Spec{
			Name: *name, Environment: *environment, Plan: *plan,
			Grant: authz.Grant{
				Version: authz.Version, Permissions: o.everything().Permissions, Endpoints: list(*endpoints),
				Scope: map[string]authz.Set{},
			},
		}
		if given := list(*permissions); !given.IsAll() {
			if !given.Within(spec.Grant.Permissions) { // the others are people's
				return fmt.Errorf("--permissions: a key can hold %s", spec.Grant.Permissions)
			}
			spec.Grant.Permissions = given
		}
		for kind, ids := range scopes {
			spec.Grant.Scope[kind] = list(*ids)
		}
		if err := o.checkScope(tenant{id, *environment}, spec.Grant); err != nil {
			return err
		}
		if spec.Addresses, err = prefixes(*addresses); err != nil {
			return fmt.Errorf("--addresses: %w", err)
		}
		if spec.Expires, err = instant(*expires, now); err != nil {
			return fmt.Errorf("--expires: %w", err)
		}
		if *plan != "" {
			if err := o.checkPlan(*plan, ""); err != nil {
				return err
			}
		}
		key, token, err := o.keys.Issue(o.ctx, authn.Operator(id), spec, now)
		if err != nil {
			return err
		}
		o.told(key.Account, "key.created", key.ID, key.Name)
		fmt.Fprintf(o.stdout, "id:  %s\nkey: %s\nThe key is shown this once.\n", key.ID, token.Reveal())
		return nil
	}
}

// checkScope refuses projects that the account does not have in that
// environment, and endpoints that do not exist: a key for them would be refused
// everywhere. Types of artifacts are whatever is stored under them.
func (o *operator) checkScope(t tenant, g authz.Grant) error {
	for _, id := range g.Scope[projects].Items() {
		if err := o.haveProjects(o.ctx, t, authz.Of(id)); errors.Is(err, errProjects) {
			return fmt.Errorf("--projects: %s has no project %q in its %s data", t.account, o.redacted(id), t.environment)
		} else if err != nil {
			return err
		}
	}
	known := o.endpoints()
	for _, id := range g.Endpoints.Items() {
		if !names(id, known) {
			return fmt.Errorf("--endpoints: there is no endpoint %q. There are %s; a pattern such as artifacts.* names several", o.redacted(id), strings.Join(known, ", "))
		}
	}
	return nil
}

// list reads "a, b", or "*" for everything.
func list(text string) authz.Set {
	if strings.TrimSpace(text) == "*" {
		return authz.All()
	}
	return authz.Of(itemsOf(text)...)
}

// itemsOf reads "a, b".
func itemsOf(text string) (items []string) {
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

func instant(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := span(text); err == nil {
		return now.Add(d), nil
	}
	return future(text, now)
}

func listKeys(f *flag.FlagSet) func(*operator) error {
	account := f.String("account", "", "`ID` or name of the account; default: the only one")
	return func(o *operator) error {
		id, err := o.account(*account)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(o.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "ID\tNAME\tKEY\tSTATUS\tLAST USED\tEXPIRES")
		now := time.Now()
		for after := ""; ; {
			keys, err := o.KeyAdmin().List(o.ctx, id, after, 100)
			if err != nil {
				return err
			}
			if len(keys) == 0 {
				return w.Flush()
			}
			for _, k := range keys {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, k.Name, k.Hint, standing(k, now), when(k.Used), when(k.Expires))
				after = k.ID
			}
		}
	}
}

func when(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Format(time.RFC3339)
}

func rotateKey(f *flag.FlagSet) func(*operator) error {
	var grace time.Duration
	spanVar(f, &grace, "grace", 24*time.Hour, "how `LONG` the old key lives on from the first use of the new one, 7 days at most in all; 0 ends it now")
	return func(o *operator) error {
		ref, err := o.arg("the key's id, or - for the key itself on standard input")
		if err != nil {
			return err
		}
		old, err := o.key(ref)
		if err != nil {
			return err
		}
		id := old.ID
		key, token, err := o.keys.Rotate(o.ctx, authn.Operator(old.Account), id, grace, time.Now())
		if err != nil {
			return named(err, id)
		}
		o.told(key.Account, "key.rotated", id, "its successor is "+key.ID)
		fmt.Fprintf(o.stdout, "id:  %s\nkey: %s\nThe key is shown this once. %s ends %v after its first use.\n", key.ID, token.Reveal(), id, grace)
		return nil
	}
}

func revokeKey(f *flag.FlagSet) func(*operator) error {
	reason := f.String("reason", "", "why, for the record")
	return func(o *operator) error {
		ref, err := o.arg("the key's id, or - for the key itself on standard input")
		if err != nil {
			return err
		}
		key, err := o.key(ref)
		if err != nil {
			return err
		}
		id := key.ID
		why := o.redacted(*reason)
		if err := o.keys.Revoke(o.ctx, authn.Operator(key.Account), id, why, time.Now()); err != nil {
			return named(err, id)
		}
		if key.Revoked.IsZero() {
			o.told(key.Account, "key.revoked", id, why)
		}
		fmt.Fprintf(o.stdout, "%s is revoked\n", id)
		return nil
	}
}

// explainKey prints the answer to a request with a key, and the reasons. It runs
// the code that serves requests.
func explainKey(*flag.FlagSet) func(*operator) error {
	return func(o *operator) error {
		if len(o.args) != 3 {
			return errors.New("want three arguments: the id of a key (or - for the key itself on standard input), a method and a path")
		}
		key, err := o.key(o.args[0])
		if err != nil {
			return err
		}
		key, owner, err := o.Keys().Find(o.ctx, key.Digest)
		if err != nil {
			return err
		}
		p, account, now := o.keys.Principal(key, owner), owner.Account, o.now()
		u, err := url.Parse(o.args[2])
		if err != nil || !strings.HasPrefix(u.Path, "/") {
			return fmt.Errorf("%q is not a path such as /v1/projects", o.args[2])
		}
		route, request, ok := o.gate.Match(&http.Request{Method: strings.ToUpper(o.args[1]), URL: u, Host: "localhost"})

		w := tabwriter.NewWriter(o.stdout, 0, 0, 2, ' ', 0)
		defer w.Flush()
		line := func(name, format string, args ...any) { fmt.Fprintf(w, name+"\t"+format+"\n", args...) }
		plan, source := o.gate.PlanOf(p)
		line("key", "%s, %s, %s", key.ID, key.Environment, standing(key, now))
		line("account", "%s, %s", account.ID, account.Status)
		line("limits", "%s (%s, from the %s)", plan, plan.Name(), source)
		switch {
		case !ok:
			line("answer", "404 or 405: no route serves this")
			return nil
		case route.Public != "":
			line("answer", "open to everybody: %s", route.Public)
			return nil
		}
		line("route", "%s (%s)", route.Pattern, route.Need.ID)
		if s := standing(key, now); s != "active" {
			line("answer", "401: the key is %s", s)
			return nil
		}
		request.Environment, request.Now = cmp.Or(request.Environment, key.Environment), now
		switch d := p.Rights.Decide(request); {
		case d.Allowed:
			line("answer", "allowed")
		case d.Recent > 0:
			line("answer", "401 %s: no key proves who uses it", d.Code)
		default:
			line("answer", "403 %s", d.Code)
		}
		if len(key.Addresses) > 0 {
			line("", "but only from %v; 403 from elsewhere", key.Addresses)
		}
		if len(route.Need.CheckedByHandler) > 0 {
			line("", "what it shows or touches is limited to its scope: %s", strings.Join(route.Need.CheckedByHandler, ", "))
		}
		for why := range strings.Lines(p.Rights.Explain(request)) {
			line("", "%s", strings.TrimRight(why, "\n"))
		}
		return nil
	}
}

// countOutdated says when an old pepper can go.
func countOutdated(*flag.FlagSet) func(*operator) error {
	return func(o *operator) error {
		n, err := o.KeyAdmin().Outdated(o.ctx, o.secrets.Newest(), time.Now())
		if err == nil {
			fmt.Fprintf(o.stdout, "%d keys are not under pepper %s yet\n", n, o.secrets.Newest())
		}
		return err
	}
}

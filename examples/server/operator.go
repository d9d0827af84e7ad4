package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"text/tabwriter"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/ratelimit"
	"medtwin.ai/tollgate/store"
)

// An operator runs one command on the database, beside a server that may be
// running on it: what it changes reaches that server within a second.
type operator struct {
	*server
	ctx    context.Context
	args   []string
	stdout io.Writer
	stderr io.Writer
}

// A command declares its flags and returns what it does with them.
type command func(f *flag.FlagSet) func(o *operator) error

func runKeys(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	return dispatch(ctx, "keys", args, stdout, stderr, map[string]command{
		"create": createKey, "list": listKeys, "rotate": rotateKey, "revoke": revokeKey, "explain": explainKey,
		"outdated": countOutdated,
	})
}

func runAccounts(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	return dispatch(ctx, "accounts", args, stdout, stderr, map[string]command{
		"create": createAccount, "list": listAccounts, "plan": planAccount,
		"suspend": setStatus(authz.Suspended), "unsuspend": setStatus(authz.Active),
	})
}

func dispatch(ctx context.Context, group string, args []string, stdout, stderr io.Writer, commands map[string]command) error {
	var name string
	if len(args) > 0 {
		name, args = args[0], args[1:]
	}
	cmd := commands[name]
	if cmd == nil {
		fmt.Fprint(stderr, usage)
		return fmt.Errorf("unknown command %q", group+" "+name)
	}
	o := &operator{ctx: ctx, stdout: stdout, stderr: stderr}
	var c config
	f := newFlags(group+" "+name, &c, stderr)
	do := cmd(f)
	var err error
	if o.args, err = parse(f, args); err != nil {
		return err
	}
	if c.database == "memory" {
		return errors.New("--database memory ends with its server: there is nothing to manage from here")
	}
	if o.server, err = newServer(ctx, c, slog.New(slog.NewTextHandler(stderr, nil))); err != nil {
		return err
	}
	defer o.Close()
	return do(o)
}

// arg returns the only argument of a command.
func (o *operator) arg(name string) (string, error) {
	if len(o.args) != 1 {
		return "", fmt.Errorf("want one argument: %s", name)
	}
	return o.args[0], nil
}

func named(err error, id string) error {
	if err != nil {
		err = fmt.Errorf("%s: %w", id, err)
	}
	return err
}

func createAccount(f *flag.FlagSet) func(*operator) error {
	name := f.String("name", "", "`NAME` of the organisation; required")
	plan := f.String("plan", "free", "free, standard or enterprise")
	limits := f.String("limits", "", "limits of its own instead of the plan's, as in \"600-M, 1000000-D\"")
	return func(o *operator) error {
		if *name == "" || len(o.args) > 0 {
			return errors.New("want --name and no arguments")
		}
		if err := o.checkPlan(*plan, *limits); err != nil {
			return err
		}
		now := time.Now()
		a := store.Account{ID: keyfmt.NewID("acct_", now), Name: *name, Status: authz.Active, Plan: *plan, Limits: *limits, Created: now.UTC()}
		if err := o.Accounts().Create(o.ctx, a); err != nil {
			return err
		}
		o.told(a.ID, "account.created", a.ID, planNote(*plan, *limits))
		fmt.Fprintln(o.stdout, a.ID)
		return nil
	}
}

func listAccounts(*flag.FlagSet) func(*operator) error {
	return func(o *operator) error {
		w := tabwriter.NewWriter(o.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "ID\tNAME\tSTATUS\tPLAN\tLIMITS")
		for after := ""; ; {
			accounts, err := o.Accounts().List(o.ctx, after, 100)
			if err != nil {
				return err
			}
			if len(accounts) == 0 {
				return w.Flush()
			}
			for _, a := range accounts {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", a.ID, a.Name, a.Status, a.Plan, a.Limits)
				after = a.ID
			}
		}
	}
}

func planAccount(f *flag.FlagSet) func(*operator) error {
	plan := f.String("plan", "", "free, standard or enterprise; default: the present one")
	limits := f.String("limits", "", "limits of its own instead of the plan's, as in \"600-M, 1000000-D\"; none for those of the plan")
	return func(o *operator) error {
		ref, err := o.arg("the account's id or name")
		if err != nil {
			return err
		}
		a, err := o.find(ref)
		if err != nil {
			return err
		}
		switch {
		case *plan == "" && *limits == "":
			return errors.New("want --plan, --limits or both")
		case *limits == "" && a.Limits != "":
			return fmt.Errorf("%s has limits of its own, %q, which go before those of a plan: keep them with --limits %[2]q, or give --limits none", a.ID, a.Limits)
		case *limits == "none":
			*limits = ""
		}
		next := cmp.Or(*plan, a.Plan)
		if err := o.checkPlan(next, *limits); err != nil { // in more words than an answer has
			return err
		}
		if err := o.setPlan(o.ctx, byOperator, a.ID, next, *limits); err != nil {
			return commandError(err, a.ID)
		}
		fmt.Fprintf(o.stdout, "%s: %s (was %s)\n", a.ID, planNote(next, *limits), planNote(a.Plan, a.Limits))
		return nil
	}
}

// checkPlan returns an error for limits that the server would have to ignore.
func (s *server) checkPlan(plan, limits string) error {
	if p, _ := s.gate.PlanOf(&authn.Principal{AccountPlan: plan}); p.Name() != plan {
		return fmt.Errorf("unknown plan %q: want free, standard or enterprise", plan)
	}
	if limits != "" {
		_, err := ratelimit.ParsePlan("own", limits)
		return err
	}
	return nil
}

func setStatus(s authz.Status) command {
	return func(*flag.FlagSet) func(*operator) error {
		return func(o *operator) error {
			ref, err := o.arg("the account's id or name")
			if err != nil {
				return err
			}
			a, err := o.find(ref)
			if err != nil {
				return err
			}
			if s == authz.Active && a.Status != authz.Suspended {
				return fmt.Errorf("%s is not suspended but %s", a.ID, a.Status)
			}
			return named(o.setStatus(o.ctx, byOperator, a.ID, s), a.ID)
		}
	}
}

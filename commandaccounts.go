package tollgate

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/internal/suggest"
	"medtwin.ai/tollgate/ratelimit"
	"medtwin.ai/tollgate/store"
)

// planFlags declares the flags that say what an account may do how often.
func (c *command) planFlags(otherwise string) (plan, limits *string) {
	return c.flags.String("plan", "", "`PLAN` of the account; default: "+otherwise),
		c.flags.String("limits", "", "`LIMITS` of its own instead of the plan's, as in \"600-M, 1000000-D\"")
}

// checkPlan returns an error for a plan or limits that requests would have to ignore.
func (c *command) checkPlan(plan, limits string) error {
	if _, known := c.config.Plans[plan]; plan != "" && !known {
		return fmt.Errorf("--plan: there is no plan %q: %s", plan, suggest.Names(plan, slices.Sorted(maps.Keys(c.config.Plans))))
	}
	if limits == "" {
		return nil
	}
	if _, err := ratelimit.ParsePlan("own", limits); err != nil {
		return fmt.Errorf("--limits: %w", err)
	}
	return nil
}

func (c *command) addAccount() func() error {
	name := c.flags.String("name", "", "`NAME` that people read; default: the id")
	plan, limits := c.planFlags("Config.DefaultPlan")
	return func() error {
		if err := c.take("ID"); err != nil {
			return err
		}
		if err := c.checkPlan(*plan, *limits); err != nil {
			return err
		}
		a := store.Account{ID: c.args[0], Name: cmp.Or(*name, c.args[0]), Plan: *plan, Limits: *limits, Status: authz.Active, Created: c.config.Now().UTC()}
		err := c.config.Store.Accounts().Create(c.ctx, a)
		if errors.Is(err, store.ErrConflict) {
			return fmt.Errorf("there is an account %q already", a.ID)
		}
		if err == nil {
			c.record(a.ID, "account.created", a.ID, planNote(*plan, *limits))
			fmt.Fprintf(c.out, "account: %s\n", a.ID)
		}
		return err
	}
}

// planNote is a plan with its limits, for the audit log.
func planNote(plan, limits string) string {
	if plan == "" || limits == "" {
		return plan + limits
	}
	return plan + ", " + limits
}

func (c *command) listAccounts() func() error {
	return func() error {
		if err := c.take(); err != nil {
			return err
		}
		if err := c.inhabited(); err != nil {
			return err
		}
		return c.table("ID\tNAME\tSTATUS\tPLAN\tLIMITS", func(row func(string, ...any)) error {
			for after := ""; ; {
				page, err := c.config.Store.Accounts().List(c.ctx, after, 100)
				if err != nil || len(page) == 0 {
					return err
				}
				for _, a := range page {
					row("%s\t%s\t%s\t%s\t%s", a.ID, a.Name, a.Status, a.Plan, a.Limits)
					after = a.ID
				}
			}
		})
	}
}

func (c *command) planAccount() func() error {
	plan, limits := c.planFlags("the present one")
	c.notes = "--limits none takes limits of its own away.\n"
	return func() error {
		if err := c.take("ID"); err != nil {
			return err
		}
		a, err := c.accountAt(c.args[0])
		if err != nil {
			return err
		}
		own := *limits
		switch {
		case *plan == "" && own == "":
			return errors.New("want --plan, --limits or both")
		case own == "" && a.Limits != "":
			return fmt.Errorf("%s has limits of its own, %q, which go before those of a plan: keep them with --limits %[2]q, or say --limits none", a.ID, a.Limits)
		case own == "none":
			own = ""
		}
		next := cmp.Or(*plan, a.Plan)
		if err := c.checkPlan(next, own); err != nil {
			return err
		}
		if err := c.config.Store.Accounts().SetPlan(c.ctx, a.ID, next, own); err != nil {
			return err
		}
		c.record(a.ID, "account.plan_changed", a.ID, planNote(next, own))
		fmt.Fprintf(c.out, "%s: %s (was %s)\n", a.ID, planNote(next, own), planNote(a.Plan, a.Limits))
		return nil
	}
}

// accountAt returns the account of that id.
func (c *command) accountAt(id string) (store.Account, error) {
	id, err := c.account(id)
	if err != nil {
		return store.Account{}, err
	}
	return c.config.Store.Accounts().Get(c.ctx, id)
}

// setAccount suspends an account, or ends that. Doing it again changes nothing.
func setAccount(s authz.Status) func(*command) func() error {
	return func(c *command) func() error {
		return func() error {
			if err := c.take("ID"); err != nil {
				return err
			}
			a, err := c.accountAt(c.args[0])
			switch {
			case err != nil:
				return err
			case s == authz.Active && a.Status == authz.ReadOnly:
				return fmt.Errorf("%s is not suspended but %s", a.ID, a.Status)
			case a.Status == s:
				fmt.Fprintf(c.out, "%s is %s already\n", a.ID, s)
				return nil
			}
			if err := c.config.Store.Accounts().SetStatus(c.ctx, a.ID, s); err != nil {
				return err
			}
			kind := "account.suspended"
			if s == authz.Active {
				kind = "account.unsuspended"
			}
			c.record(a.ID, kind, a.ID, "")
			fmt.Fprintf(c.out, "%s is %s\n", a.ID, s)
			return nil
		}
	}
}

package tollgate

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"medtwin.ai/tollgate/authn/login"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

// roles says which roles members can be given.
func (c *command) roles() string {
	if len(c.Config().RoleNames) == 0 {
		return "Config.Roles gives grants to none of the default roles: name those of the application in Config.RoleNames"
	}
	return "ROLE is one of " + strings.Join(c.Config().RoleNames, ", ")
}

var errOwnLogin = errors.New("the application has a login of its own (Config.User), and its people are added when they are first seen")

// inviteUser prints a token that the operator sends to the address, which proves it.
func (c *command) inviteUser() func() error {
	c.notes = c.roles() + ".\n"
	return func() error {
		if err := c.take("EMAIL", "ACCOUNT", "ROLE"); err != nil {
			return err
		}
		if c.config.User != nil {
			return errOwnLogin
		}
		email, role := login.Email(c.args[0]), c.args[2]
		if email == "" {
			return fmt.Errorf("%q is not an email address", c.args[0])
		}
		if len(c.config.Roles(store.Membership{Account: c.args[1], Role: role})) == 0 {
			return fmt.Errorf("the role %q may do nothing in the account %q (Config.Roles); %s", role, c.args[1], c.roles())
		}
		account, err := c.firstAccount(c.args[1])
		if err != nil {
			return err
		}
		i, token, err := c.logins.Invite(c.ctx, store.Invitation{Account: account, Email: email, Role: role, By: operator}, c.config.Now())
		if err != nil {
			return err
		}
		c.record(account, "member.invited", i.ID, email+", "+role)
		fmt.Fprintf(c.out, "invitation: %s\nIt is shown this once, and makes its holder the user with the address %s: send it nowhere else.\n", token, email)
		return nil
	}
}

func (c *command) listUsers() func() error {
	account := c.flags.String("account", "", "`ID` of the account; default: all")
	return func() error {
		if err := c.take(); err != nil {
			return err
		}
		only := ""
		if *account != "" {
			var err error
			if only, err = c.account(*account); err != nil {
				return err
			}
		}
		return c.table("ID\tEMAIL\tNAME\tACCOUNT\tROLE\tSTATUS", func(row func(string, ...any)) error {
			if only != "" {
				return c.listMembers(only, row)
			}
			for after := ""; ; {
				page, err := c.config.Store.Accounts().List(c.ctx, after, 100)
				if err != nil || len(page) == 0 {
					return err
				}
				for _, a := range page {
					if after = a.ID; err == nil {
						err = c.listMembers(a.ID, row)
					}
				}
				if err != nil {
					return err
				}
			}
		})
	}
}

func (c *command) listMembers(account string, row func(string, ...any)) error {
	for after := ""; ; {
		page, err := c.config.Store.Memberships().OfAccount(c.ctx, account, after, 100)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, m := range page {
			user, err := c.config.Store.Users().Get(c.ctx, m.User)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
			row("%s\t%s\t%q\t%s\t%s\t%s", m.User, user.Email, user.Name, account, m.Role, user.Status)
			after = m.User
		}
	}
}

// user returns the user that the argument names: by id or email address.
func (c *command) user() (store.User, error) {
	if err := c.take("USER"); err != nil {
		return store.User{}, err
	}
	users, ref := c.config.Store.Users(), c.args[0]
	user, err := users.Get(c.ctx, ref)
	if email := login.Email(ref); errors.Is(err, store.ErrNotFound) && email != "" {
		user, err = users.ByEmail(c.ctx, email)
	}
	if errors.Is(err, store.ErrNotFound) {
		return user, fmt.Errorf("there is no user %q: users list", ref)
	}
	return user, err
}

func (c *command) resetUser() func() error {
	return func() error {
		if c.config.User != nil {
			return errOwnLogin
		}
		user, err := c.user()
		if err != nil {
			return err
		}
		token, err := c.logins.Reset(c.ctx, user.ID, c.config.Now())
		if errors.Is(err, login.ErrSuspended) {
			return fmt.Errorf("%s is suspended: users unsuspend %[1]s", user.ID)
		}
		if err != nil {
			return err
		}
		c.recordUser(user.ID, "password.reset", "")
		fmt.Fprintf(c.out, "reset: %s\nIt is shown this once, is good for an hour, and lets its holder choose the password: send it to nobody but %s.\n", token, user.Email)
		return nil
	}
}

// setUser suspends a user in all accounts, which ends their sessions, or ends that.
func setUser(s authz.Status) func(*command) func() error {
	return func(c *command) func() error {
		return func() error {
			user, err := c.user()
			if err != nil {
				return err
			}
			if err := c.config.Store.Users().SetStatus(c.ctx, user.ID, s); err != nil {
				return err
			}
			c.recordUser(user.ID, "member.changed", s.String())
			fmt.Fprintf(c.out, "%s is %s\n", user.ID, s)
			return nil
		}
	}
}

// recordUser writes an event about a user into the audit log of all accounts that they
// belong to, or of the operator alone.
func (c *command) recordUser(user, kind, note string) {
	members, err := c.config.Store.Memberships().OfUser(c.ctx, user)
	accounts := []string{""}
	if err == nil && len(members) > 0 {
		accounts = nil
		for _, m := range members {
			accounts = append(accounts, m.Account)
		}
	}
	for _, account := range slices.Compact(accounts) {
		c.record(account, kind, user, note)
	}
}

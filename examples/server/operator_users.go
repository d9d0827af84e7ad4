package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

func runUsers(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	return dispatch(ctx, "users", args, stdout, stderr, map[string]command{
		"create": createUser, "list": listUsers, "invite": inviteUser,
		"suspend": setUserStatus(authz.Suspended), "unsuspend": setUserStatus(authz.Active),
	})
}

func createUser(f *flag.FlagSet) func(*operator) error {
	email := f.String("email", "", "`ADDRESS` of the person; required. Somebody we know becomes a member of one more account")
	name := f.String("name", "", "`NAME` of the person")
	account := f.String("account", "", "`ID` or name of the account; default: the only one")
	role := f.String("role", roleViewer, strings.Join(roles, ", "))
	runs := f.Bool("operator", false, "the person runs the service: without account and role")
	given := f.Bool("password-stdin", false, "read the password from standard input; default: print an invitation")
	return func(o *operator) error {
		if len(o.args) > 0 {
			return errors.New("want no arguments")
		}
		text := ""
		if *given {
			var err error
			if text, err = o.secret("password"); err != nil {
				return err
			}
		}
		id, err := operators, error(nil)
		if *runs {
			*role, err = roleOperator, o.ensureOperators(o.ctx)
		} else {
			id, err = o.account(*account)
		}
		if err != nil {
			return err
		}
		user, err := o.addUser(o.ctx, *email, *name, text, id, *role)
		if err != nil {
			return err
		}
		o.note(o.ctx, store.Event{Account: id, Actor: "operator", Kind: "member.added", Subject: user.ID, Note: *role})
		fmt.Fprintf(o.stdout, "id: %s\n", user.ID)
		if user.Password != "" {
			return nil
		}
		return o.invite(user.ID)
	}
}

func inviteUser(*flag.FlagSet) func(*operator) error {
	return func(o *operator) error {
		ref, err := o.arg("the user's id or email address")
		if err != nil {
			return err
		}
		id, err := o.user(ref)
		if err != nil {
			return err
		}
		return o.invite(id)
	}
}

// invite prints an invitation, with which a person chooses a password, also if
// they have forgotten theirs.
func (o *operator) invite(id string) error {
	token, err := o.logins.Invite(o.ctx, id, o.now())
	if err != nil {
		return named(err, id)
	}
	o.noteUser(o.ctx, store.Event{Actor: "operator", Kind: "user.invited", Subject: id})
	fmt.Fprintf(o.stdout, `invitation: %s
It is shown this once. Send it to nobody but the user, who chooses a password within 72 hours with
POST /v1/auth/accept {"token": …, "password": …}
`, token)
	return nil
}

func listUsers(f *flag.FlagSet) func(*operator) error {
	account := f.String("account", "", "`ID` or name of the account; default: all")
	return func(o *operator) error {
		w := tabwriter.NewWriter(o.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "ID\tEMAIL\tNAME\tACCOUNT\tROLE\tSTATUS")
		if *account != "" {
			id, err := o.account(*account)
			if err == nil {
				err = o.listMembers(w, id)
			}
			if err != nil {
				return err
			}
			return w.Flush()
		}
		for after := ""; ; {
			accounts, err := o.Accounts().List(o.ctx, after, 100)
			if err != nil {
				return err
			}
			if len(accounts) == 0 {
				return w.Flush()
			}
			for _, a := range accounts {
				if err := o.listMembers(w, a.ID); err != nil {
					return err
				}
				after = a.ID
			}
		}
	}
}

func (o *operator) listMembers(w io.Writer, account string) error {
	for after := ""; ; {
		members, err := o.Memberships().OfAccount(o.ctx, account, after, 100)
		if err != nil || len(members) == 0 {
			return err
		}
		for _, m := range members {
			user, err := o.Users().Get(o.ctx, m.User)
			if err != nil {
				return err
			}
			v := render(user, m)
			fmt.Fprintf(w, "%s\t%s\t%q\t%s\t%s\t%s\n", v.ID, v.Email, v.Name, account, v.Role, v.Status)
			after = m.User
		}
	}
}

// setUserStatus suspends a person in all accounts, which ends their sessions, or
// unsuspends them.
func setUserStatus(status authz.Status) command {
	return func(*flag.FlagSet) func(*operator) error {
		return func(o *operator) error {
			ref, err := o.arg("the user's id or email address")
			if err != nil {
				return err
			}
			id, err := o.user(ref)
			if err != nil {
				return err
			}
			if err := o.Users().SetStatus(o.ctx, id, status); err != nil {
				return named(err, id)
			}
			o.noteUser(o.ctx, store.Event{Actor: "operator", Kind: "member.changed", Subject: id, Note: status.String()})
			return nil
		}
	}
}

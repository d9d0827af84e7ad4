package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// byOperator is the actor of what the command line does.
var byOperator = actor{id: "operator"}

// told writes down what a command has done, and queues it for the webhooks of
// the account, which a server beside it delivers.
func (o *operator) told(account, kind, subject, note string) {
	o.note(o.ctx, byOperator.event(account, kind, subject, note))
}

func runRequests(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	return dispatch(ctx, "requests", args, stdout, stderr, map[string]command{
		"list": listRequests, "approve": approveRequest, "reject": rejectRequest,
	})
}

func listRequests(f *flag.FlagSet) func(*operator) error {
	status := f.String("status", "pending", "pending, approved, rejected or all")
	return func(o *operator) error {
		switch {
		case *status == "all":
			*status = ""
		case !slices.Contains(statuses, *status):
			return fmt.Errorf("--status %q: want pending, approved, rejected or all", *status)
		}
		w := tabwriter.NewWriter(o.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "ID\tSTATUS\tASKED\tORGANIZATION\tEMAIL\tVOLUME\tUSE CASE")
		for after := ""; ; {
			list, err := o.requests.list(o.ctx, *status, after, 100)
			if err != nil {
				return err
			}
			if len(list) == 0 {
				return w.Flush()
			}
			for _, q := range list { // strangers wrote it: quoted, nothing in it can look like another line
				fmt.Fprintf(w, "%s\t%s\t%s\t%q\t%q\t%q\t%q\n", q.ID, q.Status, q.Created, q.Organization, q.Email, q.ExpectedVolume, q.UseCase)
				after = q.ID
			}
		}
	}
}

func approveRequest(f *flag.FlagSet) func(*operator) error {
	var t terms
	f.StringVar(&t.Plan, "plan", "free", "free, standard or enterprise")
	f.StringVar(&t.Limits, "limits", "", "limits of its own instead of the plan's, as in \"600-M, 1000000-D\"")
	f.StringVar(&t.Environment, "environment", live, "live or test, of the first key")
	permissions := f.String("permissions", "read,write", "of the first key, comma-separated: read, write, delete, admin")
	return func(o *operator) error {
		id, err := o.arg("the request's id")
		if err != nil {
			return err
		}
		t.Permissions = list(*permissions).Items()
		done, err := o.approve(o.ctx, byOperator, id, t)
		if err != nil {
			return commandError(err, id)
		}
		fmt.Fprintf(o.stdout, "account: %s\nkey id:  %s\nkey:     %s\nplan:    %s\n", done.AccountID, done.KeyID, done.Key, done.Plan)
		for _, l := range done.Limits {
			fmt.Fprintf(o.stdout, "limit:   %d per %s\n", l.Quota, l.Name)
		}
		fmt.Fprintf(o.stdout, "support: %s\n", done.SupportContact)
		if done.Invitation != "" {
			fmt.Fprintf(o.stdout, "invitation: %s\nBy it the owner sets a password: POST /v1/auth/accept. It and the key are shown this once.\n", done.Invitation)
			return nil
		}
		fmt.Fprintln(o.stdout, "The key is shown this once. The owner has a password already.")
		return nil
	}
}

func rejectRequest(f *flag.FlagSet) func(*operator) error {
	reason := f.String("reason", "", "why, for the record; required")
	return func(o *operator) error {
		id, err := o.arg("the request's id")
		if err != nil {
			return err
		}
		if err := o.reject(o.ctx, byOperator, id, *reason); err != nil {
			return commandError(err, id)
		}
		fmt.Fprintf(o.stdout, "%s is rejected\n", id)
		return nil
	}
}

// commandError returns an error of the API in the words of the command line.
func commandError(err error, id string) error {
	if bad := (*badRequest)(nil); errors.As(err, &bad) {
		err = errors.New(bad.Detail)
	}
	return named(err, id)
}

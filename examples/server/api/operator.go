package api

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"text/tabwriter"

	"medtwin.ai/tollgate/problem"
)

// runGate runs a command of the gate ("keys create" and the like) on the database, beside a
// server that may be running on it: what it changes reaches that server within a second.
func runGate(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var c config
	f := newFlags(args[0], &c, stderr)
	own, rest := separate(f, args)
	if _, err := parse(f, own); err != nil {
		return err
	}
	s, err := openServer(ctx, c, stderr)
	if err != nil {
		return err
	}
	defer s.Close()
	_, err = s.gate.Command(ctx, rest, stdout)
	return err
}

// openServer opens what a command works on.
func openServer(ctx context.Context, c config, stderr io.Writer) (*server, error) {
	if c.database == "memory" {
		return nil, errors.New("--database memory ends with its server: there is nothing to manage from here")
	}
	return newServer(ctx, c, slog.New(slog.NewTextHandler(stderr, nil)))
}

// separate returns the arguments that are flags of f, with their values, and the others.
func separate(f *flag.FlagSet, args []string) (flags, others []string) {
	for i := 0; i < len(args); i++ {
		name, _, hasValue := strings.Cut(strings.TrimLeft(args[i], "-"), "=")
		if !strings.HasPrefix(args[i], "-") || f.Lookup(name) == nil {
			others = append(others, args[i])
			continue
		}
		flags = append(flags, args[i])
		if !hasValue && i+1 < len(args) { // none of them is a switch
			i++
			flags = append(flags, args[i])
		}
	}
	return flags, others
}

// An operator runs one command of the server's own.
type operator struct {
	*server
	ctx    context.Context
	args   []string
	stdout io.Writer
}

// A command declares its flags and returns what it does with them.
type command func(f *flag.FlagSet) func(o *operator) error

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
	o := &operator{ctx: ctx, stdout: stdout}
	var c config
	f := newFlags(group+" "+name, &c, stderr)
	do := cmd(f)
	var err error
	if o.args, err = parse(f, args); err != nil {
		return err
	}
	if o.server, err = openServer(ctx, c, stderr); err != nil {
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

// byOperator is the actor of what the command line does.
var byOperator = actor{id: "operator"}

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
		t.Permissions = itemsOf(*permissions)
		done, err := accessDesk{o.server}.approve(o.ctx, byOperator, id, t)
		if err != nil {
			return commandError(err, id)
		}
		fmt.Fprintf(o.stdout, "account: %s\nkey id:  %s\nkey:     %s\nplan:    %s\n", done.AccountID, done.KeyID, done.Key, done.Plan)
		for _, l := range done.Limits {
			fmt.Fprintf(o.stdout, "limit:   %d per %s\n", l.Quota, l.Name)
		}
		fmt.Fprintf(o.stdout, "support: %s\n", done.SupportContact)
		fmt.Fprintf(o.stdout, "invitation: %s\nSend it to the address of the request alone: it makes its holder the owner, with POST /v1/auth/accept. It and the key are shown this once.\n", done.Invitation)
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
		if err := (accessDesk{o.server}).reject(o.ctx, byOperator, id, *reason); err != nil {
			return commandError(err, id)
		}
		fmt.Fprintf(o.stdout, "%s is rejected\n", id)
		return nil
	}
}

// commandError returns an error of the API in the words of the command line.
func commandError(err error, id string) error {
	if p, ok := errors.AsType[*problem.Problem](err); ok {
		err = errors.New(p.Detail)
	}
	return fmt.Errorf("%s: %w", id, err)
}

package tollgate

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/internal/suggest"
	"medtwin.ai/tollgate/store"
)

// usage is what "help" prints, but for the flags of a command, which -h prints.
const usage = `accounts add ID [flags]           add an account; ID is any text
accounts list
accounts plan ID [flags]          give an account a plan, or limits of its own
accounts suspend ID               refuse an account until: accounts unsuspend ID
users invite EMAIL ACCOUNT ROLE   print a token that makes the reader of that address a member
users list [flags]
users reset USER                  print a token with which a user chooses another password
users suspend USER                keep a user out of all accounts until: users unsuspend USER
keys create [flags]               make a key, and print it this once
keys list [flags]
keys rotate ID [flags]            make the successor of a key, and print it this once
keys revoke ID [flags]            end a key for ever
keys explain METHOD PATH [flags]  show what a request with a key would be answered; the key is read from standard input
keys outdated                     count the keys that are not under the newest pepper
A USER is an id or an email address. In a store without accounts, keys create and users
invite make the account that they name. Add -h to a command for its flags.
`

// Command runs what an operator does first, from the command line of a program:
// "accounts add", "users invite", "keys create" and the like; "help", "-h" and "--help"
// list them. It writes to out, and reports true if args were meant for it: a misspelt
// command is an error, so that it does not start the server. It reports false if args
// are empty or begin with something else, which is the program's own.
//
// Command acts on Config.Store, beside programs that serve from it: they hear of a
// change as they hear of any other. In a store without accounts, "keys create" and
// "users invite" make the account that they name, so that one command makes the first key:
//
//	keys create --account acme --name first --permissions read --projects p1
//
// Secrets are no arguments, which other processes and the history of the shell
// show: "keys explain" reads the key from standard input, and Command refuses
// arguments that hold a key.
func (g *Gate) Command(ctx context.Context, args []string, out io.Writer) (bool, error) {
	g.mustBeMade()
	if len(args) == 0 {
		return false, nil
	}
	group, known := commands[args[0]]
	if helps(args[0]) || known && len(args) > 1 && helps(args[1]) {
		_, err := io.WriteString(out, usage)
		return true, err
	}
	if !known {
		err := misspelt(args[0])
		return err != nil, err
	}
	c := &command{Gate: g, ctx: ctx, out: out, flags: flag.NewFlagSet(strings.Join(args[:min(2, len(args))], " "), flag.ContinueOnError)}
	var do func(*command) func() error
	if len(args) > 1 {
		do = group[args[1]]
	}
	if do == nil {
		return true, fmt.Errorf("want one of these commands:\n%s", usage)
	}
	if err := c.withoutKeys(args); err != nil {
		return true, err
	}
	run := do(c)
	if err := c.parse(args[2:]); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return true, nil
		}
		return true, fmt.Errorf("%s: %w", c.flags.Name(), err)
	}
	if err := run(); err != nil {
		return true, fmt.Errorf("%s: %w", c.flags.Name(), err)
	}
	return true, nil
}

// helps reports whether arg asks for help.
func helps(arg string) bool {
	return slices.Contains([]string{"help", "-h", "-help", "--help"}, arg)
}

// misspelt returns an error if arg is nearly the name of a group of commands. A flag
// is not: it belongs to the program.
func misspelt(arg string) error {
	if strings.HasPrefix(arg, "-") {
		return nil
	}
	meant := suggest.Names(arg, slices.Sorted(maps.Keys(commands)))
	if !strings.HasPrefix(meant, "did you mean") {
		return nil
	}
	return fmt.Errorf("there is no command %q: %s These are the commands:\n%s", arg, meant, usage)
}

// commands declare their flags and return what they do with them.
var commands = map[string]map[string]func(*command) func() error{
	"accounts": {
		"add": (*command).addAccount, "list": (*command).listAccounts, "plan": (*command).planAccount,
		"suspend": setAccount(authz.Suspended), "unsuspend": setAccount(authz.Active),
	},
	"users": {
		"invite": (*command).inviteUser, "list": (*command).listUsers, "reset": (*command).resetUser,
		"suspend": setUser(authz.Suspended), "unsuspend": setUser(authz.Active),
	},
	"keys": {
		"create": (*command).createKey, "list": (*command).listKeys, "rotate": (*command).rotateKey,
		"revoke": (*command).revokeKey, "explain": (*command).explainKey, "outdated": (*command).outdatedKeys,
	},
}

// A command is one run of one.
type command struct {
	*Gate
	ctx   context.Context
	out   io.Writer
	flags *flag.FlagSet
	notes string   // that -h shows after the flags
	args  []string // without flags
}

// parse reads flags before, between and after the arguments.
func (c *command) parse(args []string) error {
	c.flags.SetOutput(io.Discard)
	for {
		if err := c.flags.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				c.help()
			}
			return err
		}
		if args = c.flags.Args(); len(args) == 0 {
			return nil
		}
		c.args, args = append(c.args, args[0]), args[1:]
	}
}

// help prints what -h shows: the command's line of the usage, its flags and its notes.
func (c *command) help() {
	for line := range strings.Lines(usage) {
		if strings.HasPrefix(line, c.flags.Name()+" ") || line == c.flags.Name()+"\n" {
			fmt.Fprint(c.out, line)
		}
	}
	flags := 0
	c.flags.VisitAll(func(*flag.Flag) { flags++ })
	if flags > 0 {
		fmt.Fprintln(c.out, "flags:")
		c.flags.SetOutput(c.out)
		c.flags.PrintDefaults()
	}
	fmt.Fprint(c.out, c.notes)
}

// take returns an error unless there are as many arguments as names.
func (c *command) take(names ...string) error {
	if len(c.args) == len(names) {
		return nil
	}
	if len(names) == 0 {
		return fmt.Errorf("want flags and no arguments, got %q: see -h", c.args)
	}
	return fmt.Errorf("want %s", strings.Join(names, " "))
}

// withoutKeys refuses arguments that hold a key.
func (c *command) withoutKeys(args []string) error {
	formats, err := newFormats(c.config.Prefix, c.config.Environments)
	if err != nil {
		return err
	}
	for _, arg := range args {
		_, value, isFlag := strings.Cut(arg, "=")
		for _, f := range formats {
			_, whole := f.Parse(arg)
			_, part := f.Parse(value)
			if whole == nil || isFlag && part == nil {
				return errors.New("an argument is a key, and arguments are in the history of the shell and shown to other processes: revoke that key, and name keys by their id")
			}
		}
	}
	return nil
}

// table prints rows of columns.
func (c *command) table(header string, rows func(row func(format string, args ...any)) error) error {
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, header)
	if err := rows(func(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }); err != nil {
		return err
	}
	return w.Flush()
}

// errNoAccount is the answer of commands that need an account to a store without one.
var errNoAccount = errors.New("this store holds no account: is this the right file or database? The first key makes one: keys create --account ID …")

// inhabited returns errNoAccount if the store holds no account.
func (c *command) inhabited() error {
	some, err := c.config.Store.Accounts().List(c.ctx, "", 1)
	if err == nil && len(some) == 0 {
		err = errNoAccount
	}
	return err
}

// called returns the ids of the accounts with that name.
func (c *command) called(name string) (ids []string, err error) {
	for after := ""; ; {
		page, err := c.config.Store.Accounts().List(c.ctx, after, 100)
		if err != nil || len(page) == 0 {
			return ids, err
		}
		for _, a := range page {
			if after = a.ID; a.Name == name {
				ids = append(ids, a.ID)
			}
		}
	}
}

// account returns the id of the account with that id or name; "" is the only account
// that there is. It makes nothing, and returns errNoAccount if the store holds none.
func (c *command) account(id string) (string, error) {
	accounts := c.config.Store.Accounts()
	if id != "" {
		if _, err := accounts.Get(c.ctx, id); !errors.Is(err, store.ErrNotFound) {
			return id, err
		}
		if called, err := c.called(id); err != nil || len(called) == 1 {
			return strings.Join(called, ""), err
		} else if len(called) > 1 {
			return "", fmt.Errorf("%d accounts are called %q: name one by its id, %s", len(called), id, strings.Join(called, ", "))
		}
	}
	some, err := accounts.List(c.ctx, "", 2)
	switch {
	case err != nil:
		return "", err
	case len(some) == 0:
		return "", errNoAccount
	case id != "":
		return "", fmt.Errorf(`there is no account %q: correct the id ("accounts list"), or add it with: accounts add %[1]s`, id)
	case len(some) > 1:
		return "", errors.New(`there are several accounts: say which with --account ID; "accounts list" lists them`)
	}
	return some[0].ID, nil
}

// firstAccount is account for a command that may be the first one: in a store without
// accounts it makes the account id.
func (c *command) firstAccount(id string) (string, error) {
	found, err := c.account(id)
	switch {
	case !errors.Is(err, errNoAccount):
		return found, err
	case id == "":
		return "", errors.New("there is no account: name the first one with --account ID")
	}
	err = c.config.Store.Accounts().Create(c.ctx, store.Account{ID: id, Name: id, Status: authz.Active, Created: c.config.Now().UTC()})
	if err != nil && !errors.Is(err, store.ErrConflict) { // another command has just made it
		return "", err
	}
	return id, nil
}

// record writes what the command has done into the audit log.
func (c *command) record(account, kind, subject, note string) {
	c.Record(c.ctx, store.Event{Account: account, Actor: operator, Kind: kind, Subject: subject, Note: note})
}

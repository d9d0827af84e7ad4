package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/login"
	"medtwin.ai/tollgate/store"
)

// account returns the id of the account that ref names, as find does, or where
// ref is empty of the only account there is beside that of the operators.
func (o *operator) account(ref string) (string, error) {
	if ref != "" {
		a, err := o.find(ref)
		return a.ID, err
	}
	all, err := o.Accounts().List(o.ctx, "", 3)
	all = slices.DeleteFunc(all, func(a store.Account) bool { return a.ID == operators })
	if err == nil && len(all) != 1 {
		err = errors.New("which account? Name it with --account; see: server accounts list")
	}
	if err != nil {
		return "", err
	}
	return all[0].ID, nil
}

// find finds an account by its id or, if only one has it, by its name.
func (o *operator) find(ref string) (store.Account, error) {
	a, err := o.Accounts().Get(o.ctx, ref)
	if !errors.Is(err, store.ErrNotFound) {
		return a, named(err, ref)
	}
	var called []store.Account
	for after := ""; ; {
		accounts, err := o.Accounts().List(o.ctx, after, 100)
		if err != nil {
			return a, err
		}
		if len(accounts) == 0 {
			break
		}
		for _, a := range accounts {
			if after = a.ID; a.Name == ref {
				called = append(called, a)
			}
		}
	}
	switch len(called) {
	case 1:
		return called[0], nil
	case 0:
		return a, fmt.Errorf("no account has the id or the name %q; see: server accounts list", o.redacted(ref))
	}
	ids := make([]string, len(called))
	for i, a := range called {
		ids[i] = a.ID
	}
	return a, fmt.Errorf("%d accounts are called %q: name one by its id, %s", len(ids), ref, strings.Join(ids, ", "))
}

// user returns the id of the user that ref names: by id or by email address.
func (o *operator) user(ref string) (string, error) {
	if !strings.Contains(ref, "@") {
		return ref, nil
	}
	user, err := o.Users().ByEmail(o.ctx, login.Email(ref))
	if errors.Is(err, store.ErrNotFound) {
		err = fmt.Errorf("nobody has the email address %q; see: server users list", ref)
	}
	return user.ID, err
}

// key finds a key in whatever account it is, by its id or, where ref is "-",
// by the key itself, which is read from standard input: other users of the
// machine see the arguments of a command, and shells keep them.
func (o *operator) key(ref string) (store.Key, error) {
	switch {
	case ref == "-":
		text, err := o.secret("key")
		if err != nil {
			return store.Key{}, err
		}
		return o.holder(text)
	case o.redacted(ref) != ref:
		return store.Key{}, errors.New("a key does not belong on the command line, where others see it: write - instead and give it on standard input. Rotate this one")
	case !strings.HasPrefix(ref, "key_"): // and do not repeat it: it may be half a key
		return store.Key{}, errors.New("want the id of the key, key_…, or - for the key itself on standard input; see: server keys list")
	}
	for after := ""; ; {
		accounts, err := o.Accounts().List(o.ctx, after, 100)
		if err != nil {
			return store.Key{}, err
		}
		for _, a := range accounts {
			if key, err := o.KeyAdmin().Get(o.ctx, a.ID, ref); !errors.Is(err, store.ErrNotFound) {
				return key, err
			}
		}
		if len(accounts) == 0 {
			return store.Key{}, named(store.ErrNotFound, ref)
		}
		after = accounts[len(accounts)-1].ID
	}
}

// holder finds the record of a key.
func (o *operator) holder(text string) (store.Key, error) {
	key, err := o.keys.Lookup(o.ctx, text)
	switch {
	case errors.Is(err, authn.ErrRejected):
		return key, errors.New("nobody has this key, or it is mistyped")
	case err != nil:
		return key, err
	}
	return o.KeyAdmin().Get(o.ctx, key.Account, key.ID) // whole
}

// secret reads a line from standard input, and asks for it where that is a
// terminal.
func (o *operator) secret(what string) (string, error) {
	if info, err := os.Stdin.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		fmt.Fprintf(o.stderr, "%s: ", what)
	}
	var line []byte
	for b := make([]byte, 1); len(line) < 4096; { // a byte at a time: a terminal ends a line and not the input
		n, err := os.Stdin.Read(b)
		if n > 0 && b[0] == '\n' {
			break
		}
		line = append(line, b[:n]...)
		if err == io.EOF {
			break
		}
		if err != nil {
			return "", err
		}
	}
	text := strings.TrimRight(string(line), "\r")
	if text == "" {
		return "", fmt.Errorf("no %s on standard input", what)
	}
	return text, nil
}

package apikey

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

// maxGrace is the longest that a rotated key may live on.
const maxGrace = 7 * 24 * time.Hour

// A Spec says what a new key shall be.
type Spec struct {
	Name        string // 1 to 100 printable characters
	Environment string // one of Config.Formats
	// Grant of the key. Its environments are set from Environment.
	Grant     authz.Grant
	Expires   time.Time      // zero: never
	Addresses []netip.Prefix // where it may be used from; empty: anywhere
	Plan      string         // a plan of its own; "": the account's
}

// Issue makes a key in the account of by, and returns its record and the key
// itself, which cannot be had again. Errors: authn.ErrForbidden, authn.ErrInvalid (with
// every mistake), those of store.KeyAdmin.Create.
func (k *Manager) Issue(ctx context.Context, by *authn.Principal, spec Spec, now time.Time) (store.Key, keyfmt.Token, error) {
	if err := k.mayManage(by, now); err != nil {
		return store.Key{}, keyfmt.Token{}, err
	}
	spec.Grant.Environments = authz.Of(spec.Environment)
	if err := k.check(spec, now); err != nil {
		return store.Key{}, keyfmt.Token{}, err
	}
	key := store.Key{
		Account: by.Account, Name: spec.Name, Environment: spec.Environment, Grant: spec.Grant,
		Addresses: slices.Clone(spec.Addresses), Expires: spec.Expires, Plan: spec.Plan,
	}
	token := k.mint(&key, by, now)
	key.Family = key.ID
	if err := k.config.Admin.Create(ctx, key, k.config.Quota, now); err != nil {
		return store.Key{}, keyfmt.Token{}, err
	}
	k.memory.Forget(key.ID)
	return key, token, nil
}

// Rotate makes a successor with the same name, rights, environment, expiry and
// addresses. The old key lives on for grace from the first use of the new one,
// but 7 days at most from now and never beyond its own expiry; 0 ends it now.
// That the old key is rotated counts as its own first use, for the key that it
// replaced itself.
// A key that is revoked or expired cannot be rotated (store.ErrInactive), nor
// one that has been rotated already (store.ErrConflict).
func (k *Manager) Rotate(ctx context.Context, by *authn.Principal, id string, grace time.Duration, now time.Time) (store.Key, keyfmt.Token, error) {
	if err := k.mayManage(by, now); err != nil {
		return store.Key{}, keyfmt.Token{}, err
	}
	if grace < 0 || grace > maxGrace {
		return store.Key{}, keyfmt.Token{}, fmt.Errorf("%w: a grace of %v; it may be 0 to %v", authn.ErrInvalid, grace, maxGrace)
	}
	if grace > 0 {
		grace = max(grace.Truncate(time.Microsecond), time.Microsecond) // what stores keep
	}
	old, err := k.config.Admin.Get(ctx, by.Account, id)
	if err != nil {
		return store.Key{}, keyfmt.Token{}, err
	}
	if _, ok := k.config.Formats[old.Environment]; !ok {
		return store.Key{}, keyfmt.Token{}, fmt.Errorf("%w: environment %q is not among Config.Formats any more", authn.ErrInvalid, old.Environment)
	}
	next := store.Key{
		Account: old.Account, Name: old.Name, Environment: old.Environment, Grant: old.Grant,
		Addresses: old.Addresses, Expires: old.Expires, Plan: old.Plan, Family: cmp.Or(old.Family, old.ID), Replaces: old.ID,
	}
	if old.Grace > 0 {
		if err := k.config.Store.BeginGrace(ctx, old.ID, now); err != nil {
			return store.Key{}, keyfmt.Token{}, err
		}
		k.memory.Forget(old.Replaces)
	}
	deadline := now
	if grace > 0 {
		deadline, next.Grace = now.Add(maxGrace), grace
	}
	token := k.mint(&next, by, now)
	if err := k.config.Admin.Rotate(ctx, by.Account, id, next, deadline, now); err != nil {
		return store.Key{}, keyfmt.Token{}, err
	}
	k.memory.Forget(id)
	k.memory.Forget(next.ID)
	return next, token, nil
}

// Revoke ends a key for ever: here at once, elsewhere within
// MaxRevocationDelay. Revoking it again changes nothing.
func (k *Manager) Revoke(ctx context.Context, by *authn.Principal, id, reason string, now time.Time) error {
	if err := k.mayManage(by, now); err != nil {
		return err
	}
	if err := k.config.Admin.Revoke(ctx, by.Account, id, reason, now); err != nil {
		return err
	}
	k.memory.Forget(id) // after the commit
	return nil
}

// mayManage: keys never manage keys.
func (k *Manager) mayManage(by *authn.Principal, now time.Time) error {
	switch {
	case now.IsZero():
		return fmt.Errorf("%w: the time is zero", authn.ErrInvalid)
	case by == nil || by.Kind != authn.KindOperator || by.Account == "":
		return authn.ErrForbidden
	case k.config.Admin == nil:
		return fmt.Errorf("%w: Config.Admin is not set", authn.ErrForbidden)
	}
	return nil
}

// mint gives the record its identity and returns the key that it stands for.
func (k *Manager) mint(key *store.Key, by *authn.Principal, now time.Time) keyfmt.Token {
	token := k.config.Formats[key.Environment].Generate()
	key.ID = keyfmt.NewID("key_", now)
	key.CreatedBy = by.User
	if key.CreatedBy == "" {
		key.CreatedBy = by.ID
	}
	key.Created = now.UTC()
	key.Hint = token.Hint()
	key.Digest = k.config.Peppers.Digest(token)
	return token
}

// check reports every mistake of a specification at once.
func (k *Manager) check(spec Spec, now time.Time) error {
	var errs []error
	if n := utf8.RuneCountInString(spec.Name); n == 0 || n > 100 || !utf8.ValidString(spec.Name) ||
		strings.ContainsFunc(spec.Name, func(r rune) bool { return !unicode.IsPrint(r) }) || strings.TrimSpace(spec.Name) != spec.Name {
		errs = append(errs, errors.New("the name must be 1 to 100 printable characters, without space at either end"))
	}
	if _, ok := k.config.Formats[spec.Environment]; !ok {
		errs = append(errs, fmt.Errorf("unknown environment %q", spec.Environment))
	}
	if !spec.Expires.IsZero() && !spec.Expires.After(now) {
		errs = append(errs, errors.New("the expiry must lie in the future"))
	}
	for _, a := range spec.Addresses {
		if !a.IsValid() || a.Addr().Is4In6() || a != a.Masked() {
			errs = append(errs, fmt.Errorf("%q is not an address prefix such as 10.0.0.0/8", a))
		}
	}
	if err := k.config.Model.Validate(spec.Grant); err != nil {
		errs = append(errs, err)
	}
	if len(errs) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %w", authn.ErrInvalid, errors.Join(errs...))
}

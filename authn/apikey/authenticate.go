package apikey

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/internal/recall"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

// errDisabled is told to whoever has proved that he holds the key.
var errDisabled = fmt.Errorf("%w for now: the key is disabled", authn.ErrRevoked)

// A claim is a token that is well formed, and what its shape says.
type claim struct {
	keyfmt.Token
	environment string // of its format
	foreign     bool   // well formed by no format, but of the shape of some Verifier
}

// parse tells whose token it is, from its prefix as a rule, and refuses a
// malformed one, before any I/O.
func (k *Manager) parse(token string) (claim, error) {
	malformed := authn.ErrNotMine
	if f := k.format(token); f != nil {
		if t, err := f.Parse(token); err == nil {
			return claim{Token: t, environment: f.environment}, nil
		}
		malformed = authn.ErrRejected
	}
	if t, ok := k.foreign(token); ok { // the other system may have had a prefix of ours
		return claim{Token: t, foreign: true}, nil
	}
	return claim{}, malformed
}

// format returns the format whose prefix the token has, or nil.
func (k *Manager) format(token string) *format {
	for i := range k.formats {
		if f := &k.formats[i]; strings.HasPrefix(token, f.prefix) {
			return f
		}
	}
	return nil
}

// Self implements authn.Recaller.
func (k *Manager) Self() authn.Authenticator { return k }

// Recall implements authn.Recaller. A key is remembered only for its environment
// and, where it has addresses, for those: elsewhere it is refused, and that is
// no use of it. With an OutageLease
// it asks the store about a known key whose Lease is over, so that while that
// is down nobody's unknown keys are in the way of a known one.
func (k *Manager) Recall(c authn.Credential, now time.Time) *authn.Principal {
	token := c.Reveal()
	// Only what was well formed is remembered, so the checksum can wait.
	if c.Scheme != "bearer" || k.verifiers == nil && k.format(token) == nil {
		return nil
	}
	e := k.memory.Recall(token, now)
	if e == nil || c.Environment != "" && c.Environment != e.Value.Environment || len(e.Value.Addresses) > 0 && !e.Value.Admits(c.From) {
		return nil
	}
	k.memory.Use(e, now)
	return e.Value
}

// Authenticate implements authn.Authenticator. The order is that of cost: shape,
// checksum, memory, store; and within the record what ended for ever, what
// ended with time, and the environment.
func (k *Manager) Authenticate(ctx context.Context, c authn.Credential, now time.Time) (*authn.Principal, error) {
	if c.Scheme != "bearer" {
		return nil, authn.ErrNotMine
	}
	t, err := k.parse(c.Reveal())
	if err != nil {
		return nil, err
	}
	e, err := k.memory.Get(ctx, t.Reveal(), now, func(ctx context.Context, e *recall.Entry[*authn.Principal]) error {
		return k.ask(ctx, t, c, e)
	})
	switch {
	case err != nil:
		return nil, err
	case e.Err != nil:
		return nil, e.Err
	case e.Expired(now):
		return nil, authn.ErrExpired
	}
	if !elsewhere(e.Value, c) {
		k.memory.Use(e, now)
	}
	p := *e.Value // this one is the caller's to change
	p.Addresses = slices.Clone(p.Addresses)
	return &p, nil
}

// ask fills in e from the store.
func (k *Manager) ask(ctx context.Context, t claim, c authn.Credential, e *recall.Entry[*authn.Principal]) error {
	key, owner, err := k.find(ctx, t)
	switch {
	case errors.Is(err, store.ErrNotFound) && t.foreign:
		e.Err = authn.ErrNotMine // its shape is no proof of whose it is
		return nil
	case errors.Is(err, store.ErrNotFound):
		e.Err = authn.ErrRejected
		return nil
	case errors.Is(err, errUnsound):
		unsure(e, err)
		return nil
	case err != nil:
		return err
	}
	e.About(key.ID, owner.Account.ID, about(key))
	if key.Import != "" { // nothing is proved yet
		proved := false
		if key.Live(e.Read) {
			if proved, err = k.prove(ctx, t, key); err != nil {
				unsure(e, err)
				return nil
			}
		}
		if !proved {
			e.Err = authn.ErrRejected
			return nil
		}
	}
	switch {
	case !key.Revoked.IsZero():
		e.Err = authn.ErrRevoked
	case key.Ended(e.Read):
		e.Err = authn.ErrExpired
	case !key.Live(e.Read):
		e.Err = errDisabled
	case !t.foreign && key.Environment != t.environment:
		e.Err = authn.ErrRejected
	}
	e.Value, e.Expires = k.Principal(key, owner), key.Expires
	switch {
	case e.Err != nil:
	case elsewhere(e.Value, c):
		e.Once = true
	default:
		e.Once = !k.settle(ctx, t, key, e.Read)
	}
	return nil
}

// unsure makes e say that nobody can tell, though the store has answered: who
// sends wrong keys of other people must not be able to make it look down.
func unsure(e *recall.Entry[*authn.Principal], err error) {
	e.Err, e.Once = fmt.Errorf("%w: %w", authn.ErrUnavailable, err), true
}

// again is ask about a key that was verified before, wherever it came from.
func (k *Manager) again(ctx context.Context, token string, e *recall.Entry[*authn.Principal]) error {
	t, err := k.parse(token)
	if err != nil {
		return err
	}
	return k.ask(ctx, t, authn.Credential{}, e)
}

// elsewhere reports whether the Middleware will refuse the principal for where
// the request comes from or asks to act, which then is no use of the key. What
// the request does not say refuses nobody.
func elsewhere(p *authn.Principal, c authn.Credential) bool {
	return c.From.IsValid() && !p.Admits(c.From) || c.Environment != "" && c.Environment != p.Environment
}

// find returns the record of a token, and whose it is. It tries the newest
// pepper with one plain equality, older ones only when that misses. While a key
// is being rehashed it has left the older digest when that is tried and had not
// come to the newest: so that one is tried again.
func (k *Manager) find(ctx context.Context, t claim) (key store.Key, owner store.Owner, err error) {
	tried := 0
	for d := range k.digests(t) {
		tried++
		if key, owner, err = k.config.Store.Find(ctx, d); !errors.Is(err, store.ErrNotFound) {
			return sound(key, owner, err)
		}
	}
	if tried > 1 {
		key, owner, err = k.config.Store.Find(ctx, k.config.Peppers.Digest(t.Token))
	}
	return sound(key, owner, err)
}

var errUnsound = errors.New("the store returned what does not belong together")

// sound refuses what belongs to different people: only a faulty store would
// say that.
func sound(key store.Key, owner store.Owner, err error) (store.Key, store.Owner, error) {
	m := owner.Membership
	switch {
	case err != nil:
		return store.Key{}, store.Owner{}, err
	case key.ID == "" || key.Account != owner.Account.ID:
		return store.Key{}, store.Owner{}, fmt.Errorf("%w: a key and another's account", errUnsound)
	case m.User != "" && (m.User != key.Owner || m.Account != key.Account):
		return store.Key{}, store.Owner{}, fmt.Errorf("%w: a key and another's membership", errUnsound)
	}
	return key, owner, nil
}

// settleTimeout bounds the writes of a first use, which holds up a request.
const settleTimeout = 250 * time.Millisecond

// settle writes what the use of a key brings about, and reports whether it may
// be remembered. A store that cannot write now still lets the key in: a grace
// that has not begun is tried at the next use, a rehash some time.
func (k *Manager) settle(ctx context.Context, t claim, key store.Key, now time.Time) bool {
	// Its own time: what a slow Verifier took must not keep it from being the last.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	if newest := k.config.Peppers.Digest(t.Token); key.Digest.Pepper != newest.Pepper {
		err := k.config.Store.Rehash(ctx, key.ID, key.Digest, newest)
		if err != nil && !errors.Is(err, store.ErrConflict) { // that: somebody else has
			k.unsettled.Write(ctx, now, slog.LevelWarn, "key not rehashed", slog.String("key", key.ID), slog.Any("err", err))
		}
	}
	if key.Grace == 0 {
		return true
	}
	// Its first use: the key that it replaces has so long now.
	if err := k.config.Store.BeginGrace(ctx, key.ID, now); err != nil {
		k.unsettled.Write(ctx, now, slog.LevelError, "grace not begun, will be tried again", slog.String("key", key.ID), slog.Any("err", err))
		return false
	}
	k.memory.Forget(key.Replaces)
	return true
}

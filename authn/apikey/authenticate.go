package apikey

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/internal/recall"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

// errDisabled is for a caller who has proved that they hold the key, so it
// tells strangers nothing.
var errDisabled = fmt.Errorf("%w for now: the key is disabled", authn.ErrRevoked)

// A parsedToken is a well-formed token, with what its shape tells.
type parsedToken struct {
	keyfmt.Token
	environment string // of the format that its prefix names
	foreign     bool   // it has the shape of some Verifier, and of no format
}

// parse returns the token, or an error if its shape shows that it is no key of
// this Manager. It needs no I/O: a text with a wrong checksum is refused before
// the store is asked.
func (m *Manager) parse(token string) (parsedToken, error) {
	malformed := authn.ErrNotMine
	if f := m.format(token); f != nil {
		if t, err := f.Parse(token); err == nil {
			return parsedToken{Token: t, environment: f.environment}, nil
		}
		malformed = authn.ErrRejected
	}
	if t, ok := m.foreign(token); ok { // the other system may use one of our prefixes
		return parsedToken{Token: t, foreign: true}, nil
	}
	return parsedToken{}, malformed
}

// format returns the format with the prefix of the token, or nil. At most one
// fits: see New.
func (m *Manager) format(token string) *format {
	for i := range m.formats {
		if f := &m.formats[i]; strings.HasPrefix(token, f.prefix) {
			return f
		}
	}
	return nil
}

// Remembers implements [authn.Rememberer]. It is false for a type that embeds
// m.
func (m *Manager) Remembers(self authn.Authenticator) bool { return self == authn.Authenticator(m) }

// Authenticate implements [authn.Authenticator].
//
// The order is that of cost: cache, shape, checksum, store. Within the record
// the order is: what ended for ever, what ended with time, and the environment.
//
// With an OutageLease it may ask the store about a cached key whose lease has
// ended, even if c.MemoryOnly is set. So while the store is down, requests with
// unknown keys do not delay one with a known key.
func (m *Manager) Authenticate(ctx context.Context, c authn.Credential, now time.Time) (*authn.Principal, error) {
	if c.Scheme != "bearer" {
		return nil, authn.ErrNotMine
	}
	if c.MemoryOnly {
		return m.remembered(c, now)
	}
	t, err := m.parse(c.Reveal())
	if err != nil {
		return nil, err
	}
	e, err := m.memory.Get(ctx, t.Reveal(), now, func(ctx context.Context, e *recall.Entry[*authn.Principal]) error {
		return m.ask(ctx, t, c, e)
	})
	if err != nil {
		return nil, err
	}
	if !elsewhere(e.Value, c) {
		m.memory.Use(e, now)
	}
	p := e.Value.Clone() // the caller may change it
	return &p, nil
}

// remembered answers for a key that is cached. It does not answer if the key
// may not be used from the address or for the environment of the request: that
// request is refused elsewhere, with the reason, and is no use of the key.
func (m *Manager) remembered(c authn.Credential, now time.Time) (*authn.Principal, error) {
	token := c.Reveal()
	// Only well-formed tokens are ever cached, so a hit needs no checksum.
	if m.verifiers == nil && m.format(token) == nil {
		return nil, authn.ErrNotMine
	}
	e, err := m.memory.Recall(token, now)
	if err != nil {
		return nil, err
	}
	p := e.Value
	if c.Environment != "" && c.Environment != p.Environment || len(p.Addresses) > 0 && !p.Admits(c.Address()) {
		return nil, authn.ErrNotRemembered
	}
	m.memory.Use(e, now)
	return p, nil
}

// ask fills in e from the store. What it writes into e.Err is a fact about the
// key, and may be cached as a refusal. What it returns is an outage, and is
// never cached.
//
// The order of the checks follows a rule: until a secret has been proved, all
// refusals look the same. The digest of a key proves its secret. The record of
// an imported key may be found by the key's clear part, which is no secret, so
// such a key proves its secret before anything is said about its state.
func (m *Manager) ask(ctx context.Context, t parsedToken, c authn.Credential, e *recall.Entry[*authn.Principal]) error {
	key, owner, err := m.find(ctx, t)
	switch {
	case errors.Is(err, store.ErrNotFound) && t.foreign:
		e.Err = authn.ErrNotMine // a shape is no proof of whose key it is
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
	// From here on a change of the key, the account or the owner makes the
	// answer stale.
	e.About(key.ID, owner.Account.ID, about(key))
	if key.Import != "" { // nothing is proved yet
		proved := false
		if key.Live(e.Read) {
			if proved, err = m.prove(ctx, t, key); err != nil {
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
	e.Value, e.Expires = m.Principal(key, owner), key.Expires
	switch {
	case e.Err != nil:
	case elsewhere(e.Value, c):
		e.Once = true
	default:
		e.Once = !m.finishFirstUse(ctx, t, key, e.Read)
	}
	return nil
}

// unsure makes e say that the answer is unknown, and that nobody caches it. The
// store has answered, so this is no outage of the store: a client that sends
// wrong keys must not be able to make the store look down for others.
func unsure(e *recall.Entry[*authn.Principal], err error) {
	e.Err, e.Once = fmt.Errorf("%w: %w", authn.ErrUnavailable, err), true
}

// again asks the store about a key that was verified before, without regard to
// where a request came from. The cache calls it when the lease of an entry has
// ended.
func (m *Manager) again(ctx context.Context, token string, e *recall.Entry[*authn.Principal]) error {
	t, err := m.parse(token)
	if err != nil {
		return err
	}
	return m.ask(ctx, t, authn.Credential{}, e)
}

// elsewhere reports whether the Middleware will refuse p for the address or the
// environment of the request. Such a request is no use of the key: it must not
// begin a grace period, and must not appear as its last use. A request that
// does not state an address or an environment is not refused for it.
func elsewhere(p *authn.Principal, c authn.Credential) bool {
	if c.Environment != "" && c.Environment != p.Environment {
		return true
	}
	if len(p.Addresses) == 0 {
		return false
	}
	from := c.Address()
	return from.IsValid() && !p.Admits(from)
}

// find returns the record of a token, and its owner. It tries the newest pepper
// first, and older ones only if that finds nothing.
//
// A key that is rehashed at the same time may be missed under both digests: not
// yet under the newest, and no longer under the older one. So the newest is
// tried again at the end.
func (m *Manager) find(ctx context.Context, t parsedToken) (key store.Key, owner store.Owner, err error) {
	tried := 0
	for d := range m.digests(t) {
		tried++
		if key, owner, err = m.records.keys.Find(ctx, d); !errors.Is(err, store.ErrNotFound) {
			return sound(key, owner, err)
		}
	}
	if tried > 1 {
		key, owner, err = m.records.keys.Find(ctx, m.config.Peppers.Digest(t.Token))
	}
	return sound(key, owner, err)
}

// errUnsound says that a store returned records that do not belong together.
var errUnsound = errors.New("the store returned what does not belong together")

// sound refuses a key and an owner that do not belong together. Only a faulty
// store returns them; without this check its fault would give one account the
// rights of another.
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

// firstUseTimeout bounds the writes of a first use, which a request waits for.
const firstUseTimeout = 250 * time.Millisecond

// finishFirstUse writes what follows from the use of a key: the digest under
// the newest pepper, if the stored one is older; and at its first use the start
// of the grace period of the key that it replaces. It reports whether the
// answer may be cached.
//
// A store that cannot write still lets the key in. If a grace period could not
// begin, the answer is not cached, so the next use tries again. The old key
// ends at its hard deadline in any case. A rehash is tried again at some later
// read.
func (m *Manager) finishFirstUse(ctx context.Context, t parsedToken, key store.Key, now time.Time) bool {
	// The writes have a time-out of their own. A slow Verifier may have used up
	// the one of ctx, and must not prevent the rehash that makes it
	// unnecessary.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), firstUseTimeout)
	defer cancel()
	if newest := m.config.Peppers.Digest(t.Token); key.Digest.Pepper != newest.Pepper {
		err := m.records.keys.Rehash(ctx, key.ID, key.Digest, newest)
		if err != nil && !errors.Is(err, store.ErrConflict) { // ErrConflict: another request has done it
			m.unfinished.Write(ctx, now, slog.LevelWarn, "key not rehashed", slog.String("key", key.ID), slog.Any("err", err))
		}
	}
	if key.Grace == 0 {
		return true
	}
	// This is the first use of the key. The grace period of the one that it
	// replaces begins.
	if err := m.records.keys.BeginGrace(ctx, key.ID, now); err != nil {
		m.unfinished.Write(ctx, now, slog.LevelError, "grace not begun, will be tried again", slog.String("key", key.ID), slog.Any("err", err))
		return false
	}
	m.memory.Forget(key.Replaces)
	return true
}

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

// errDisabled is returned only to a caller who has proved that they hold the key.
var errDisabled = fmt.Errorf("%w for now: the key is disabled", authn.ErrRevoked)

// A parsedToken is a well-formed token, with what its shape says about it.
type parsedToken struct {
	keyfmt.Token
	environment string // of its format
	foreign     bool   // well formed by no format, but of the shape of some Verifier
}

// parse tells whose token it is, from its prefix as a rule, and refuses a
// malformed one, before any I/O.
func (m *Manager) parse(token string) (parsedToken, error) {
	malformed := authn.ErrNotMine
	if f := m.format(token); f != nil {
		if t, err := f.Parse(token); err == nil {
			return parsedToken{Token: t, environment: f.environment}, nil
		}
		malformed = authn.ErrRejected
	}
	if t, ok := m.foreign(token); ok { // the other system may have had a prefix of ours
		return parsedToken{Token: t, foreign: true}, nil
	}
	return parsedToken{}, malformed
}

// format returns the format whose prefix the token has, or nil.
func (m *Manager) format(token string) *format {
	for i := range m.formats {
		if f := &m.formats[i]; strings.HasPrefix(token, f.prefix) {
			return f
		}
	}
	return nil
}

// Remembers implements authn.Rememberer.
func (m *Manager) Remembers(self authn.Authenticator) bool { return self == authn.Authenticator(m) }

// Authenticate implements authn.Authenticator. The order is that of cost: memory,
// shape, checksum, store; and within the record what ended for ever, what ended
// with time, and the environment.
//
// With an OutageLease it asks the store about a remembered key whose lease is
// over even if c.MemoryOnly is set, so that while the store is down unknown keys
// are not in the way of a known one.
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
	switch {
	case err != nil:
		return nil, err
	case e.Err != nil:
		return nil, e.Err
	case e.Expired(now):
		return nil, authn.ErrExpired
	}
	if !elsewhere(e.Value, c) {
		m.memory.Use(e, now)
	}
	p := e.Value.Clone() // the caller may change it
	return &p, nil
}

// remembered answers for a key that is in memory. A key that is used from an
// address or for an environment that it does not admit is not remembered: it will
// be refused, which is no use of it.
func (m *Manager) remembered(c authn.Credential, now time.Time) (*authn.Principal, error) {
	token := c.Reveal()
	// Only what was well formed is remembered, so the checksum can wait.
	if m.verifiers == nil && m.format(token) == nil {
		return nil, authn.ErrNotMine
	}
	e := m.memory.Recall(token, now)
	if e == nil {
		if m.memory.Knows(token, now) {
			return nil, authn.ErrStale
		}
		return nil, authn.ErrNotRemembered
	}
	p := e.Value
	if c.Environment != "" && c.Environment != p.Environment || len(p.Addresses) > 0 && !p.Admits(c.Address()) {
		return nil, authn.ErrNotRemembered
	}
	m.memory.Use(e, now)
	return p, nil
}

// ask fills in e from the store.
func (m *Manager) ask(ctx context.Context, t parsedToken, c authn.Credential, e *recall.Entry[*authn.Principal]) error {
	key, owner, err := m.find(ctx, t)
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

// unsure makes e say that the answer is unknown, although the store has answered: a
// client that sends wrong keys must not be able to make the store look down.
func unsure(e *recall.Entry[*authn.Principal], err error) {
	e.Err, e.Once = fmt.Errorf("%w: %w", authn.ErrUnavailable, err), true
}

// again is ask about a key that was verified before, wherever it came from.
func (m *Manager) again(ctx context.Context, token string, e *recall.Entry[*authn.Principal]) error {
	t, err := m.parse(token)
	if err != nil {
		return err
	}
	return m.ask(ctx, t, authn.Credential{}, e)
}

// elsewhere reports whether the Middleware will refuse p for the address or the
// environment of the request. Such a request is no use of the key. An address or an
// environment that the request does not state refuses nobody.
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

// find returns the record of a token, and its owner. It tries the newest pepper first,
// and older ones only if that finds nothing. A key that is rehashed meanwhile may be
// missed under both digests: not yet under the newest, no longer under the older. So the
// newest is tried again at the end.
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

var errUnsound = errors.New("the store returned what does not belong together")

// sound refuses a key and an owner that do not belong together: only a faulty store
// returns them.
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

// firstUseTimeout bounds the writes of a first use, because a request waits for them.
const firstUseTimeout = 250 * time.Millisecond

// finishFirstUse writes what the use of a key brings about: the digest under the newest
// pepper, if the stored one is older, and at its first use the start of the grace period
// of the key that it replaces. It reports whether the answer may be cached. A store that
// cannot write still lets the key in: a grace period that has not begun is tried again
// at the next use, a rehash at some later read.
func (m *Manager) finishFirstUse(ctx context.Context, t parsedToken, key store.Key, now time.Time) bool {
	// The writes have their own time-out: a slow Verifier that has used up ctx's must not
	// prevent the rehash, after which it is not needed again.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), firstUseTimeout)
	defer cancel()
	if newest := m.config.Peppers.Digest(t.Token); key.Digest.Pepper != newest.Pepper {
		err := m.records.keys.Rehash(ctx, key.ID, key.Digest, newest)
		if err != nil && !errors.Is(err, store.ErrConflict) { // that: somebody else has
			m.unfinished.Write(ctx, now, slog.LevelWarn, "key not rehashed", slog.String("key", key.ID), slog.Any("err", err))
		}
	}
	if key.Grace == 0 {
		return true
	}
	// Its first use: the key that it replaces has so long now.
	if err := m.records.keys.BeginGrace(ctx, key.ID, now); err != nil {
		m.unfinished.Write(ctx, now, slog.LevelError, "grace not begun, will be tried again", slog.String("key", key.ID), slog.Any("err", err))
		return false
	}
	m.memory.Forget(key.Replaces)
	return true
}

package apikey

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/store"
)

// ErrReused says that the id of a [Call] has already made another key than the
// one asked for now.
var ErrReused = errors.New("apikey: the idempotency key was used for another request")

// A Call names one request to make a key, so that repeating the request makes
// no second key. The zero Call makes a key every time.
type Call struct {
	// ID is the idempotency key of the request, which the caller chooses: at
	// most 200 printable ASCII characters. Equal ids of different callers are
	// different calls.
	ID string
	// Request is the SHA-256 of everything that was asked for. It is required
	// with an ID: without it, a different request would be taken for a
	// repetition.
	Request [32]byte
}

// check returns what is wrong with the call.
func (c Call) check() error {
	if c.ID != "" && c.Request == [32]byte{} {
		return errors.New("the idempotency key comes without the digest of its request")
	}
	if len(c.ID) > 200 {
		return errors.New("the idempotency key has more than 200 characters")
	}
	for i := range len(c.ID) {
		if c.ID[i] < ' ' || c.ID[i] > '~' {
			return errors.New("the idempotency key has a character that is not printable ASCII")
		}
	}
	return nil
}

// stored returns the id as stores keep it. It contains the caller, so that
// nobody meets or learns of the calls of others. The length of the caller's
// name comes first, so that no two pairs have the same text.
func (c Call) stored(by *authn.Principal) string {
	if c.ID == "" {
		return ""
	}
	maker := name(by) // an application may name its own people by any text
	return strconv.Itoa(len(maker)) + ":" + maker + "/" + c.ID
}

// Made returns the key that by made with a call before, as it is now, and whether there is
// one. A caller of Issue that checks a request itself asks this first: a call that comes
// again is answered with its key, even if no such key could be made now. Errors: ErrReused,
// and authn.ErrForbidden if by may not see the key any more.
func (m *Manager) Made(ctx context.Context, by *authn.Principal, c Call) (key store.Key, made bool, err error) {
	if err := m.admits(by); err != nil {
		return store.Key{}, false, err
	}
	return m.replayed(ctx, by, c, "")
}

// repeated returns the key that the call has made, if that explains why the
// same call failed with err: the call came twice at once, and the other one was
// first. Otherwise it returns err.
func (m *Manager) repeated(ctx context.Context, by *authn.Principal, c Call, replaces string, err error) (store.Key, error) {
	if errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrInactive) {
		if key, made, err := m.replayed(ctx, by, c, replaces); made {
			return key, err
		}
	}
	return store.Key{}, err
}

// replayed returns the key that the call made before, as it is now. made is
// false if the call made none. replaces is the id of the key that the call was
// to replace, "" for a new key.
//
// The caller must still be allowed to see the key: what they may see has
// possibly changed since.
func (m *Manager) replayed(ctx context.Context, by *authn.Principal, c Call, replaces string) (key store.Key, made bool, err error) {
	if c.ID == "" {
		return store.Key{}, false, nil
	}
	if err := invalid(c.check()); err != nil {
		return store.Key{}, false, err
	}
	key, err = m.records.admin.ByIdempotency(ctx, by.Account, c.stored(by))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return store.Key{}, false, nil
	case err != nil:
		return store.Key{}, false, err
	case key.Request != c.Request || key.Replaces != replaces:
		return store.Key{}, true, ErrReused
	case !m.sees(by, key):
		return store.Key{}, true, fmt.Errorf("%w: the key was made by this call, which its maker may not see any more", authn.ErrForbidden)
	}
	return shown(key), true, nil
}

package apikey

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/store"
)

// ErrReused: the id of a [Call] has made another key than is asked for now.
var ErrReused = errors.New("apikey: the idempotency key was used for another request")

// A Call names one request to make a key, so that its repetition makes none.
// The zero Call makes one every time.
type Call struct {
	// ID is the idempotency key of the request, chosen by the caller: at most
	// 200 printable ASCII characters. Those of different callers are different.
	ID string
	// Request is the SHA-256 of all that was asked for. Required with an ID:
	// without it another request would be taken for a repetition.
	Request [32]byte
}

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

// stored is the id as stores keep it: nobody meets, or learns of, the calls of
// another.
func (c Call) stored(by *authn.Principal) string {
	if c.ID == "" {
		return ""
	}
	maker := name(by) // of the application's own people it is any text
	return strconv.Itoa(len(maker)) + ":" + maker + "/" + c.ID
}

// repeated returns the key that the call has made where that may be why it
// failed with err now: the same call came twice at once.
func (m *Manager) repeated(ctx context.Context, by *authn.Principal, c Call, replaces string, err error) (store.Key, error) {
	if errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrInactive) {
		if key, made, err := m.replayed(ctx, by, c, replaces); made {
			return key, err
		}
	}
	return store.Key{}, err
}

// replayed returns the key that the call made before, as it is now. replaces is
// the key that it was to replace.
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

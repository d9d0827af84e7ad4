package apikey

import (
	"context"
	"errors"
	"fmt"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/store"
)

// Lookup returns the record of a key, live or not, and does not use the key: it
// records no use, begins no grace period, rehashes nothing and caches nothing.
// It is for reports of leaked keys, whose senders hold the key but are not its
// owners. Errors:
//
//   - authn.ErrRejected: the text is nobody's key.
//   - authn.ErrUnavailable: that is unknown at the moment.
func (m *Manager) Lookup(ctx context.Context, token string) (store.Key, error) {
	t, err := m.parse(token)
	if err != nil {
		return store.Key{}, authn.ErrRejected
	}
	ctx, cancel := context.WithTimeout(ctx, m.config.Timeout)
	defer cancel()
	key, _, err := m.find(ctx, t)
	proved := err == nil
	if proved && key.Import != "" {
		proved, err = m.prove(ctx, t, key)
	}
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && !proved:
		return store.Key{}, authn.ErrRejected
	case err != nil:
		return store.Key{}, fmt.Errorf("%w: %w", authn.ErrUnavailable, err)
	}
	return shown(key), nil
}

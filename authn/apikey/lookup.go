package apikey

import (
	"context"
	"errors"
	"fmt"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/store"
)

// Lookup returns the record of a key, live or not, without using it: nothing
// is noted, begun, rehashed or remembered. It is for reports of leaked keys.
// Errors: authn.ErrRejected where it is nobody's key, authn.ErrUnavailable where
// that cannot be told now.
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

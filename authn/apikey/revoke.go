package apikey

import (
	"context"
	"errors"
	"fmt"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/store"
)

// Revoke ends a key for ever: here at once, elsewhere within
// MaxRevocationDelay. People revoke their own keys, and those with
// Config.Manage anybody's. Revoking it again changes nothing.
func (k *Manager) Revoke(ctx context.Context, by *authn.Principal, id, reason string, now time.Time) error {
	if err := k.changes(by, now); err != nil {
		return err
	}
	if _, err := k.visible(ctx, by, id); err != nil {
		return err
	}
	if err := k.config.Admin.Revoke(ctx, by.Account, id, reason, now); err != nil {
		if errors.Is(err, store.ErrNotFound) {
			return store.ErrNotFound
		}
		return err
	}
	k.memory.Forget(id) // after the commit
	return nil
}

// RevokeAll revokes the keys that f means, and returns how many were not
// revoked before: of the whole account for the operator and those with
// Config.Manage, of his own for anybody else.
func (k *Manager) RevokeAll(ctx context.Context, by *authn.Principal, f store.Filter, reason string, now time.Time) (int, error) {
	if err := k.changes(by, now); err != nil {
		return 0, err
	}
	if k.manages(by, false) != nil {
		if f.Owner != "" && f.Owner != by.User {
			return 0, fmt.Errorf("%w: the keys are another person's", authn.ErrForbidden)
		}
		f.Owner = by.User
	}
	n, err := k.config.Admin.RevokeAll(ctx, by.Account, f, reason, now)
	k.memory.Forget(by.Account) // after the commit, which perhaps nobody could report
	return n, err
}

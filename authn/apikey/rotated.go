package apikey

import (
	"context"
	"errors"
	"fmt"

	"medtwin.ai/tollgate/store"
)

// A RotatedError says that a key cannot be rotated because it has a successor
// already. It wraps store.ErrInactive if the key has ended since, and otherwise
// store.ErrConflict.
type RotatedError struct {
	Successor string // the id of the key that replaced it
	err       error
}

// Error names the successor, which is what to rotate instead.
func (r *RotatedError) Error() string {
	return fmt.Sprintf("%v: the key has been rotated already: rotate its successor, %s", r.err, r.Successor)
}

// Unwrap returns the wrapped error of package store.
func (r *RotatedError) Unwrap() error { return r.err }

// A PredecessorError says that a key cannot be rotated with a grace period
// because a key that it replaced has not ended. It wraps store.ErrConflict.
type PredecessorError struct{ Predecessor string } // the id of that key

// Error names the predecessor, and says what to do.
func (p *PredecessorError) Error() string {
	return fmt.Sprintf("%v: %s, which was rotated before, has not ended: revoke it, wait, or rotate with a grace of 0", store.ErrConflict, p.Predecessor)
}

// Unwrap returns store.ErrConflict.
func (p *PredecessorError) Unwrap() error { return store.ErrConflict }

// ErrRotatedOften is returned if a key has been rotated so often of late that nobody can
// say whether all of its predecessors have ended. It is store.ErrConflict.
var ErrRotatedOften = fmt.Errorf("%w: the key has been rotated too often: rotate it with a grace of 0", store.ErrConflict)

// A QuotaError says that an account has as many keys as it may have. It wraps
// store.ErrQuota.
type QuotaError struct{ Quota int } // Config.Quota: the most keys of an account that have not ended

// Error names the quota.
func (q *QuotaError) Error() string {
	return fmt.Sprintf("%v: the account has %d keys that are not revoked or expired, the most that it may have", store.ErrQuota, q.Quota)
}

// Unwrap returns store.ErrQuota.
func (q *QuotaError) Unwrap() error { return store.ErrQuota }

// maxSuccessors is how many of an account's newest keys are searched for the
// successor of a key. It bounds what a mistaken rotation costs.
const maxSuccessors = 2000

// succeeded returns a [RotatedError] instead of err, the error of a rotation,
// if the key has a successor that can be found. Otherwise it returns err.
func (m *Manager) succeeded(ctx context.Context, old store.Key, err error) error {
	if !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrInactive) {
		return err
	}
	after := ""
	for range maxSuccessors / scan {
		keys, failed := m.records.admin.List(ctx, old.Account, after, scan)
		if failed != nil || len(keys) == 0 {
			return err
		}
		for _, key := range keys {
			if key.Replaces == old.ID {
				return &RotatedError{key.ID, err}
			}
			if key.Created.Before(old.Created) { // the list is newest first, and no successor is older than its key
				return err
			}
		}
		after = keys[len(keys)-1].ID
	}
	return err
}

package apikey

import (
	"context"
	"errors"
	"fmt"

	"medtwin.ai/tollgate/store"
)

// A RotatedError says that a key cannot be rotated because it has a successor
// already. It is store.ErrInactive if the key has ended since, else
// store.ErrConflict.
type RotatedError struct {
	Successor string // the id of the key that replaced it
	err       error
}

// Error names the successor.
func (r *RotatedError) Error() string {
	return fmt.Sprintf("%v: the key has been rotated already: rotate its successor, %s", r.err, r.Successor)
}

// Unwrap returns the error of package store.
func (r *RotatedError) Unwrap() error { return r.err }

// A PredecessorError says that a key cannot be rotated with a grace because a
// key that it replaced has not ended. It is store.ErrConflict.
type PredecessorError struct{ Predecessor string } // its id

// Error names the predecessor and says what to do.
func (p *PredecessorError) Error() string {
	return fmt.Sprintf("%v: %s, which was rotated before, has not ended: revoke it, wait, or rotate with a grace of 0", store.ErrConflict, p.Predecessor)
}

// Unwrap returns store.ErrConflict.
func (p *PredecessorError) Unwrap() error { return store.ErrConflict }

// A QuotaError says that an account holds as many keys as it may. It is
// store.ErrQuota.
type QuotaError struct{ Quota int } // the most keys of an account that have not ended: Config.Quota

// Error names the quota.
func (q *QuotaError) Error() string {
	return fmt.Sprintf("%v: the account has %d keys that are not revoked or expired, the most that it may have", store.ErrQuota, q.Quota)
}

// Unwrap returns store.ErrQuota.
func (q *QuotaError) Unwrap() error { return store.ErrQuota }

// maxSuccessors is how many of an account's newest keys are searched for the
// successor of one, 200 at a time. It bounds what a mistake costs.
const maxSuccessors = 2000

// succeeded returns a [RotatedError] in the place of err, the answer to a
// rotation, if the key has a successor that can be found.
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
			if key.Created.Before(old.Created) { // newest first: it is not among the rest
				return err
			}
		}
		after = keys[len(keys)-1].ID
	}
	return err
}

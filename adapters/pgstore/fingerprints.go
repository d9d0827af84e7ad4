package pgstore

import (
	"context"
	"slices"

	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/sqlkit"
)

const (
	listFingerprints  = `SELECT ` + sqlkit.FingerprintColumns + ` FROM tollgate.fingerprints ORDER BY id`
	lockFingerprints  = `LOCK TABLE tollgate.fingerprints IN SHARE ROW EXCLUSIVE MODE` // needs the privilege UPDATE
	clearFingerprints = `DELETE FROM tollgate.fingerprints`
	insertFingerprint = `INSERT INTO tollgate.fingerprints (` + sqlkit.FingerprintColumns + `) VALUES ($1, $2, $3)`
)

type fingerprints struct{ s *Store }

func (v fingerprints) List(ctx context.Context) ([]store.Fingerprint, error) {
	return many(ctx, v.s, "list fingerprints", columns.Fingerprint, listFingerprints)
}

func (v fingerprints) Swap(ctx context.Context, old, next []store.Fingerprint) error {
	return v.s.change(ctx, "swap fingerprints", func(tx conn) error {
		if _, err := tx.exec(ctx, lockFingerprints); err != nil {
			return err
		}
		present, err := collect(ctx, tx, columns.Fingerprint, listFingerprints)
		if err != nil {
			return err
		}
		if !slices.Equal(present, old) {
			return store.ErrConflict
		}
		if _, err := tx.exec(ctx, clearFingerprints); err != nil {
			return err
		}
		for _, f := range next {
			if _, err := tx.exec(ctx, insertFingerprint, columns.FingerprintValues(f)...); err != nil {
				return err
			}
		}
		return nil
	})
}

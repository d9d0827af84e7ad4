package sqlitestore

import (
	"context"
	"database/sql"
	"slices"

	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/sqlkit"
)

const (
	listFingerprints  = `SELECT ` + sqlkit.FingerprintColumns + ` FROM fingerprints ORDER BY id`
	clearFingerprints = `DELETE FROM fingerprints`
	insertFingerprint = `INSERT INTO fingerprints (` + sqlkit.FingerprintColumns + `) VALUES (?, ?, ?)`
)

type fingerprints struct{ s *Store }

func (v fingerprints) List(ctx context.Context) ([]store.Fingerprint, error) {
	rows, err := v.s.read.QueryContext(ctx, listFingerprints)
	return many("list fingerprints", rows, err, columns.Fingerprint)
}

func (v fingerprints) Swap(ctx context.Context, old, next []store.Fingerprint) error {
	return v.s.change(ctx, "swap fingerprints", func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, listFingerprints)
		present, err := collect(rows, err, columns.Fingerprint)
		if err != nil {
			return err
		}
		if !slices.Equal(present, old) {
			return store.ErrConflict
		}
		if _, err := tx.ExecContext(ctx, clearFingerprints); err != nil {
			return err
		}
		for _, f := range next {
			if _, err := tx.ExecContext(ctx, insertFingerprint, columns.FingerprintValues(f)...); err != nil {
				return err
			}
		}
		return nil
	})
}

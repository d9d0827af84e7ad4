package sqlitestore

import (
	"context"
	"database/sql"
	"slices"

	"medtwin.ai/tollgate/store"
)

const (
	listFingerprints  = `SELECT id, sum, turn FROM fingerprints ORDER BY id`
	clearFingerprints = `DELETE FROM fingerprints`
	insertFingerprint = `INSERT INTO fingerprints (id, sum, turn) VALUES (?, ?, ?)`
)

// fingerprintFields are where listFingerprints reads into.
func fingerprintFields(f *store.Fingerprint) []any { return []any{&f.ID, (*sum)(&f.Sum), &f.Turn} }

type fingerprints struct{ s *Store }

func (v fingerprints) List(ctx context.Context) ([]store.Fingerprint, error) {
	rows, err := v.s.read.QueryContext(ctx, listFingerprints)
	return many("list fingerprints", rows, err, fingerprintFields)
}

func (v fingerprints) Swap(ctx context.Context, old, next []store.Fingerprint) error {
	return v.s.change(ctx, "swap fingerprints", func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, listFingerprints)
		present, err := collect(rows, err, fingerprintFields)
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
			if _, err := tx.ExecContext(ctx, insertFingerprint, f.ID, f.Sum[:], f.Turn); err != nil {
				return err
			}
		}
		return nil
	})
}

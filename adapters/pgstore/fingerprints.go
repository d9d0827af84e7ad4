package pgstore

import (
	"context"
	"slices"

	"medtwin.ai/tollgate/store"
)

const (
	listFingerprints  = `SELECT f.id, f.sum, f.turn FROM tollgate.fingerprints f ORDER BY f.id`
	lockFingerprints  = `LOCK TABLE tollgate.fingerprints IN SHARE ROW EXCLUSIVE MODE` // which needs the right to UPDATE
	clearFingerprints = `DELETE FROM tollgate.fingerprints`
	insertFingerprint = `INSERT INTO tollgate.fingerprints (id, sum, turn) VALUES ($1, $2, $3)`
)

// fingerprintFields are where listFingerprints reads into.
func fingerprintFields(f *store.Fingerprint) []any { return []any{&f.ID, (*sum)(&f.Sum), &f.Turn} }

type fingerprints struct{ s *Store }

func (v fingerprints) List(ctx context.Context) ([]store.Fingerprint, error) {
	return many(ctx, v.s, "list fingerprints", fingerprintFields, listFingerprints)
}

func (v fingerprints) Swap(ctx context.Context, old, next []store.Fingerprint) error {
	return v.s.change(ctx, "swap fingerprints", func(tx conn) error {
		if _, err := tx.exec(ctx, lockFingerprints); err != nil {
			return err
		}
		present, err := collect(ctx, tx, fingerprintFields, listFingerprints)
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
			if _, err := tx.exec(ctx, insertFingerprint, f.ID, f.Sum[:], f.Turn); err != nil {
				return err
			}
		}
		return nil
	})
}

package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

const (
	findKey = `SELECT ` + keyColumns + `, ` + accountColumns + `
		FROM keys k JOIN accounts a ON a.id = k.account WHERE k.sum = ? AND k.pepper = ?`
	touchKey = `UPDATE keys SET used = ?2 WHERE id = ?1 AND revoked IS NULL AND (used IS NULL OR used < ?2)`
)

type keys struct{ s *Store }

func (v keys) Find(ctx context.Context, d keyfmt.Digest) (store.Key, store.Account, error) {
	var k store.Key
	var a store.Account
	err := v.s.find.QueryRowContext(ctx, d.Sum[:], d.Pepper).Scan(append(keyFields(&k), accountFields(&a)...)...)
	if errors.Is(err, sql.ErrNoRows) {
		return store.Key{}, store.Account{}, store.ErrNotFound
	}
	if err != nil {
		return store.Key{}, store.Account{}, fmt.Errorf("sqlitestore: find: %w", err)
	}
	return k, a, nil
}

func (v keys) Touch(ctx context.Context, uses []store.Use) error {
	if len(uses) == 0 {
		return nil
	}
	return v.s.change(ctx, "touch", func(tx *sql.Tx) error {
		touch, err := tx.PrepareContext(ctx, touchKey)
		if err != nil {
			return err
		}
		defer touch.Close()
		for _, u := range uses {
			if _, err := touch.ExecContext(ctx, u.ID, micros(u.At)); err != nil {
				return err
			}
		}
		return nil
	})
}

package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"time"

	"medtwin.ai/tollgate/examples/server/database"
)

// openSecrets reads or makes the pepper file of a database.
func openSecrets(ctx context.Context, path string, b *backend) (*secrets, error) {
	used, err := usedPepper(ctx, b)
	if err != nil {
		return nil, err
	}
	s, err := loadSecrets(path, used)
	if err != nil {
		return nil, err
	}
	return s, s.agree(ctx, b, path)
}

// fingerprint tells secrets apart, and tells nothing of one to who has not the
// root.
func (s *secrets) fingerprint(id string, secret []byte) []byte {
	mac := hmac.New(sha256.New, s.derive("fingerprints"))
	fmt.Fprintf(mac, "%s\x00%s", id, secret)
	return mac.Sum(nil)
}

// agree compares the secrets with those of every server of the database, past
// and present, by the fingerprints that each has left there, and leaves its own.
//
// A server must have the root of the others, the same secret under the same id,
// and the pepper that was the latest to become some server's newest: another may
// digest new keys under it. An older one may go when no key needs it. So a new
// one is first made known to all servers, then put first, and the old ones
// removed at the end.
func (s *secrets) agree(ctx context.Context, b *backend, path string) error {
	return b.db.Do(ctx, func(tx database.Tx) error {
		if err := tx.Lock(ctx, "fingerprints"); err != nil {
			return err
		}
		known, turns, err := readFingerprints(ctx, tx)
		if err != nil {
			return err
		}
		// Of two roots the fingerprints of all else differ, too.
		for _, id := range append([]string{rootID}, slices.Sorted(maps.Keys(s.fingerprints))...) {
			switch was, ok := known[id]; {
			case !ok || bytes.Equal(was, s.fingerprints[id]):
			case id == rootID:
				return fmt.Errorf(`%s is not the file that the database was served with first: its root is another.
Name the file that all servers share with --pepper-file. The root of a file without a line "root" is
its oldest pepper: if that was removed, add the line: root HEX, with that pepper's secret`, path)
			default:
				return fmt.Errorf("pepper %q in %s has another secret than on the server that was first to have it: "+
					"copy its line from there, or name the file that all servers share with --pepper-file", id, path)
			}
		}
		latest := slices.Max(append(slices.Collect(maps.Values(turns)), 0))
		for _, id := range slices.Sorted(maps.Keys(turns)) {
			if s.fingerprints[id] != nil || turns[id] == 0 {
				continue
			}
			if turns[id] == latest {
				return fmt.Errorf("another server digests new keys under pepper %q, which is not in %s: name the file that has it with --pepper-file", id, path)
			}
			if n, err := b.KeyAdmin().Outdated(ctx, s.newest, time.Now()); err != nil {
				return err
			} else if n > 0 {
				return fmt.Errorf(`pepper %q is not in %s, and %d keys have not moved to pepper %q, the newest: add its line again
until they have been used, or name the file that has it with --pepper-file. To give up those keys that are
digested under it, delete the row %[1]q of the table of fingerprints`, id, path, n, s.newest)
			}
			if _, err := tx.Exec(ctx, `DELETE FROM server_fingerprints WHERE id = ?1`, id); err != nil {
				return err
			}
		}
		for id, f := range s.fingerprints {
			if known[id] != nil {
				continue
			}
			if _, err := tx.Exec(ctx, `INSERT INTO server_fingerprints (id, fingerprint) VALUES (?1, ?2)`, id, f); err != nil {
				return err
			}
		}
		if turns[s.newest] == 0 {
			_, err = tx.Exec(ctx, `UPDATE server_fingerprints SET turn = ?2 WHERE id = ?1`, s.newest, latest+1)
		}
		return err
	})
}

// readFingerprints returns them, and in which turn each became the newest, by
// id.
func readFingerprints(ctx context.Context, tx database.Tx) (known map[string][]byte, turns map[string]int, err error) {
	known, turns = make(map[string][]byte), make(map[string]int)
	rows, err := tx.Rows(ctx, `SELECT id, fingerprint, turn FROM server_fingerprints`)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		var f []byte
		var turn int
		if err := rows.Scan(&id, &f, &turn); err != nil {
			return nil, nil, err
		}
		known[id], turns[id] = f, turn
	}
	return known, turns, rows.Err()
}

package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"medtwin.ai/tollgate/keyfmt"
)

// A Fingerprint identifies a secret and reveals nothing about it. They come from
// keyfmt.Keyring.Fingerprints.
type Fingerprint struct {
	ID  string // the id of a pepper, or "root" for the root secret
	Sum [32]byte
	// Turn counts the peppers in the order in which they became the newest pepper of
	// a process: 1, 2, 3. It is 0 for the root, and for a pepper that has never been
	// the newest one.
	Turn int
}

// Fingerprints keeps the fingerprints of the secrets that a store is used with, for
// [CheckSecrets]. Implementations are safe for concurrent use.
type Fingerprints interface {
	// List returns all fingerprints in the order of their ids.
	List(ctx context.Context) ([]Fingerprint, error)
	// Swap replaces all fingerprints by next. old is what the caller has read from
	// List: if something else is stored, Swap changes nothing and returns
	// ErrConflict.
	Swap(ctx context.Context, old, next []Fingerprint) error
}

// CheckSecrets compares secrets with those of all processes that have used the store.
// Each process leaves the fingerprints of its secrets there. Without this check a
// process with other secrets would find none of the keys, and nobody would learn why.
// Call it before the store is used; tollgate.New does.
//
// The root must be the same in all processes, and so must each pepper that has the
// same id. A process must know the pepper that was the last one to become the newest
// of any process, because others may make digests under it. An older pepper may be
// missing once no key needs it. So a pepper is replaced in three steps: add the new one
// in all processes, then make it the newest one, then remove the old one.
//
// An error says what to do, or that the store did not answer.
func CheckSecrets(ctx context.Context, s Store, secrets *keyfmt.Keyring, now time.Time) error {
	mine, newest := secrets.Fingerprints(), secrets.Newest()
	for {
		known, err := s.Fingerprints().List(ctx)
		if err != nil {
			return fmt.Errorf("store: fingerprints: %w", err)
		}
		next, err := agree(known, mine, newest, uncounted)
		if errors.Is(err, errUncounted) {
			n, failed := s.KeyAdmin().Outdated(ctx, newest, now)
			if failed != nil {
				return fmt.Errorf("store: fingerprints: %w", failed)
			}
			next, err = agree(known, mine, newest, n)
		}
		if err != nil {
			return errors.Join(err, secrets.Discard())
		}
		if slices.Equal(known, next) { // nothing to write, so a read-only store will do
			return nil
		}
		err = s.Fingerprints().Swap(ctx, known, next)
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, ErrConflict): // a conflict means that another process was faster
			return fmt.Errorf("store: fingerprints: %w", err)
		case ctx.Err() != nil:
			return fmt.Errorf("store: fingerprints: %w", ctx.Err())
		}
	}
}

const (
	rootID    = "root"
	uncounted = -1
)

// errUncounted means that the answer depends on how many keys need an older pepper.
var errUncounted = errors.New("store: keys have not been counted")

// agree returns the fingerprints to store, in the order of their ids, or the reason why
// a process with these secrets must not use the store. outdated is the number of keys
// whose digest is not under the newest pepper.
func agree(known []Fingerprint, mine map[string][32]byte, newest string, outdated int) ([]Fingerprint, error) {
	recorded := make(map[string]Fingerprint, len(known))
	latest := Fingerprint{}
	for _, f := range known {
		recorded[f.ID] = f
		if f.Turn > latest.Turn {
			latest = f
		}
	}
	if root, ok := recorded[rootID]; ok && root.Sum != mine[rootID] { // then all other fingerprints differ, too
		return nil, errRoot
	}
	for _, id := range slices.Sorted(maps.Keys(mine)) {
		if f, ok := recorded[id]; ok && f.Sum != mine[id] {
			return nil, fmt.Errorf("store: pepper %q has another secret than in the process that was first to have it: copy its line from the secrets file of that process", id)
		}
	}
	if _, ok := mine[latest.ID]; !ok && latest.Turn > 0 {
		return nil, fmt.Errorf("store: another process makes digests under pepper %q, which is missing here: add its line from the secrets file of that process", latest.ID)
	}
	for _, f := range known {
		if _, ok := mine[f.ID]; ok || f.Turn == 0 {
			continue
		}
		switch {
		case outdated == uncounted:
			return nil, errUncounted
		case outdated > 0:
			return nil, fmt.Errorf("store: pepper %q is missing, and %d keys are not yet under pepper %q, the newest: keep its line in the secrets file until they have been used; "+
				"to give those keys up, delete the row %[1]q from the table fingerprints", f.ID, outdated, newest)
		}
		delete(recorded, f.ID)
	}
	for id, sum := range mine {
		f := recorded[id]
		f.ID, f.Sum = id, sum
		if id == newest && f.Turn == 0 {
			f.Turn = latest.Turn + 1
		}
		recorded[id] = f
	}
	return slices.SortedFunc(maps.Values(recorded), func(a, b Fingerprint) int { return cmp.Compare(a.ID, b.ID) }), nil
}

var errRoot = errors.New(`store: these are not the secrets that the database was first used with (their root is another): ` +
	`open the secrets file of its other processes, or restore it from its backup. If it is lost, no key in the database can be verified ever again: ` +
	`start with an empty database and issue new keys. (The root of keyfmt.NewKeyring is its oldest pepper, which must stay)`)

package store_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"medtwin.ai/tollgate/internal/overlay"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

var now = time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)

// rings makes keyrings of the peppers given by id, newest first. Every id has one
// secret; the oldest pepper is the root, so each test ends its list with the same.
func rings(t *testing.T) func(ids ...string) *keyfmt.Keyring {
	known := map[string]keyfmt.Pepper{}
	return func(ids ...string) *keyfmt.Keyring {
		t.Helper()
		var peppers []keyfmt.Pepper
		for _, id := range ids {
			if _, ok := known[id]; !ok {
				name, _, _ := strings.Cut(id, "'")
				known[id] = keyfmt.GeneratePepper(name)
			}
			peppers = append(peppers, known[id])
		}
		k, err := keyfmt.NewKeyring(peppers[0], peppers[1:]...)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
}

// addKey adds a key that is digested under a pepper.
func addKey(t *testing.T, s store.Store, pepper string) {
	t.Helper()
	if err := s.Accounts().Create(t.Context(), store.Account{ID: "acct_1"}); err != nil {
		t.Fatal(err)
	}
	k := store.Key{ID: "key_1", Account: "acct_1", Digest: keyfmt.Digest{Pepper: pepper}}
	if err := s.KeyAdmin().Create(t.Context(), k, 0, now); err != nil {
		t.Fatal(err)
	}
}

// Processes of one store have the same secrets or do not start, and peppers are
// replaced without any of them being refused. case T6
func TestCheckSecrets(t *testing.T) {
	s, ring := newMemory(t), rings(t)
	addKey(t, s, "first")
	revoke := func() {
		if err := s.KeyAdmin().Revoke(t.Context(), "acct_1", "key_1", "", now); err != nil {
			t.Fatal(err)
		}
	}
	const root = "the-root" // a pepper that stays
	steps := []struct {
		name    string
		before  func()
		peppers []string
		want    string // "": it may start
	}{
		{name: "the first process", peppers: []string{"first", root}},
		{name: "the same", peppers: []string{"first", root}},
		{name: "other secrets", peppers: []string{"first'", root + "'"}, want: "these are not the secrets that the database was first used with"},
		{name: "another root", peppers: []string{"first", root + "'"}, want: "restore it from its backup"},
		{name: "another secret", peppers: []string{"first'", root}, want: `pepper "first" has another secret`},

		{name: "below", peppers: []string{"first", "second", root}},
		{name: "a process before that step", peppers: []string{"first", root}},
		{name: "below, with another secret", peppers: []string{"first", "second'", root}, want: `pepper "second" has another secret`},
		{name: "on top", peppers: []string{"second", "first", root}},
		{name: "a process before that step", peppers: []string{"first", "second", root}},
		{name: "a process two steps behind", peppers: []string{"first", root}, want: `another process makes digests under pepper "second", which is missing here`},
		{name: "removed too early", peppers: []string{"second", root}, want: `pepper "first" is missing, and 1 keys are not yet under pepper "second"`},
		{name: "the next one alone, too early", peppers: []string{"third", root}, want: `under pepper "second"`},
		{name: "which changed nothing", peppers: []string{"second", "first", root}},

		{name: "removed when no key needs it", before: revoke, peppers: []string{"second", root}},
		{name: "a process before that step", peppers: []string{"second", "first", root}},
		{name: "the next one, on top at once", peppers: []string{"third", "second", root}},
		{name: "and alone", peppers: []string{"third", root}},
		{name: "a process behind all that", peppers: []string{"second", "first", root}, want: `under pepper "third"`},
	}
	for _, step := range steps { // of one story
		if step.before != nil {
			step.before()
		}
		err := store.CheckSecrets(t.Context(), s, ring(step.peppers...), now)
		if step.want == "" && err != nil || step.want != "" && (err == nil || !strings.Contains(err.Error(), step.want)) {
			t.Errorf("%s: got %v, want %q", step.name, err, step.want)
		}
	}
}

// No secrets cannot be compared with any, but those that others have are missed.
func TestCheckNoSecrets(t *testing.T) {
	s := newMemory(t)
	for range 2 {
		if err := store.CheckSecrets(t.Context(), s, keyfmt.InsecureUnpeppered(), now); err != nil {
			t.Error(err)
		}
	}
	if err := store.CheckSecrets(t.Context(), s, rings(t)("first"), now); err != nil {
		t.Fatal(err)
	}
	if err := store.CheckSecrets(t.Context(), s, keyfmt.InsecureUnpeppered(), now); err == nil {
		t.Error("a process without secrets starts beside one with secrets")
	}
}

// Of processes with different secrets that meet an empty store at once, those of
// one kind start.
func TestCheckSecretsTogether(t *testing.T) {
	s, ring := newMemory(t), rings(t)
	kinds := []*keyfmt.Keyring{ring("a"), ring("b"), ring("c")}
	started := make([]int, len(kinds))
	var mu sync.Mutex
	var all sync.WaitGroup
	for i := range 12 {
		all.Go(func() {
			if err := store.CheckSecrets(t.Context(), s, kinds[i%3], now); err == nil {
				mu.Lock()
				started[i%3]++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if started[0]+started[1]+started[2] != 4 || started[0]%4+started[1]%4+started[2]%4 != 0 {
		t.Errorf("started by kind: %v, want 4 of one", started)
	}
}

// A store that does not answer is no reason to start, and neither is one that
// says no for ever.
func TestCheckSecretsOfABrokenStore(t *testing.T) {
	down := errors.New("down")
	ended, stop := context.WithCancel(t.Context())
	stop()
	counted := newMemory(t)
	addKey(t, counted, "first")
	ring := rings(t)
	for _, k := range []*keyfmt.Keyring{ring("first", "root-0"), ring("second", "first", "root-0")} {
		if err := store.CheckSecrets(t.Context(), counted, k, now); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name  string
		store store.Store
		want  error
	}{
		{"no list", fingerprints{newMemory(t), down, nil}, down},
		{"no write", fingerprints{newMemory(t), nil, down}, down},
		{"a conflict for ever", fingerprints{newMemory(t), nil, store.ErrConflict}, context.Canceled},
		{"no count", overlay.KeyAdmin(counted, uncounting{counted.KeyAdmin(), down}), down},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := store.CheckSecrets(ended, tt.store, ring("second", "root-0"), now); !errors.Is(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// A store that is read-only, and knows the secrets already, can be used.
func TestCheckSecretsReadOnly(t *testing.T) {
	s, ring := newMemory(t), rings(t)("first")
	if err := store.CheckSecrets(t.Context(), s, ring, now); err != nil {
		t.Fatal(err)
	}
	if err := store.CheckSecrets(t.Context(), fingerprints{s, nil, errors.New("read-only")}, ring, now); err != nil {
		t.Error(err)
	}
}

// fingerprints is a store in which those cannot be read, or written.
type fingerprints struct {
	store.Store
	list, swap error
}

func (f fingerprints) Fingerprints() store.Fingerprints { return prints{f.Store.Fingerprints(), f} }

type prints struct {
	store.Fingerprints
	fails fingerprints
}

func (p prints) List(ctx context.Context) ([]store.Fingerprint, error) {
	if p.fails.list != nil {
		return nil, p.fails.list
	}
	return p.Fingerprints.List(ctx)
}

func (p prints) Swap(ctx context.Context, old, next []store.Fingerprint) error {
	if p.fails.swap != nil {
		return p.fails.swap
	}
	return p.Fingerprints.Swap(ctx, old, next)
}

type uncounting struct {
	store.KeyAdmin
	err error
}

func (u uncounting) Outdated(context.Context, string, time.Time) (int, error) { return 0, u.err }

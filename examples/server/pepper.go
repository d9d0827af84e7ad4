package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"medtwin.ai/tollgate/keyfmt"
)

// loadPeppers reads the keyring from a file of lines "id hex", newest first.
// used is the id of the pepper that a key in the database was digested under,
// "" where there are no keys yet: only then is a missing file made. A pepper
// that is missing or another one must not be used silently: every key would
// stop working, and nobody would know why.
func loadPeppers(path, used string) (*keyfmt.Keyring, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if used != "" {
			return nil, fmt.Errorf(`the pepper file %s is missing, and the database holds keys that were digested under it.
Restore it from its backup, or name it with --pepper-file. If it is lost, those keys
can never be verified again: move the database away and issue new keys`, path)
		}
		return makePepper(path)
	}
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(path); err != nil {
		return nil, err
	} else if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("others may read the pepper file %s (mode %04o): chmod 600 it", path, info.Mode().Perm())
	}
	var peppers []keyfmt.Pepper
	for i, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		id, secret, _ := strings.Cut(strings.TrimSpace(line), " ")
		raw, err := hex.DecodeString(strings.TrimSpace(secret))
		if err != nil || id == "" {
			return nil, fmt.Errorf("%s, line %d: want an id and a secret in hex; make one with: openssl rand -hex 32", path, i+1)
		}
		peppers = append(peppers, keyfmt.Pepper{ID: id, Secret: raw})
	}
	ring, err := keyfmt.NewKeyring(peppers[0], peppers[1:]...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if used != "" && !slices.ContainsFunc(peppers, func(p keyfmt.Pepper) bool { return p.ID == used }) {
		return nil, fmt.Errorf("the keys in the database were digested under pepper %q, which is not in %s: name the file that has it with --pepper-file", used, path)
	}
	return ring, nil
}

func makePepper(path string) (*keyfmt.Keyring, error) {
	p := keyfmt.GeneratePepper("new")
	sum := sha256.Sum256(p.Secret)
	p.ID = hex.EncodeToString(sum[:4]) // so that two files never name different peppers alike
	// O_EXCL: of two first starts at once, one makes it.
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if _, err := fmt.Fprintf(f, "%s %x\n", p.ID, p.Secret); err != nil {
		return nil, err
	}
	if err := f.Sync(); err != nil {
		return nil, err
	}
	return keyfmt.NewKeyring(p)
}

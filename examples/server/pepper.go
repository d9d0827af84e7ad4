package main

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"medtwin.ai/tollgate/keyfmt"
)

// secrets are what the server knows beside its database. Without them, what is
// in there opens nothing.
type secrets struct {
	peppers *keyfmt.Keyring
	newest  string // id of the pepper that is used for new digests
	root    []byte

	fingerprints map[string][]byte // of the peppers, and of the root, by id
}

// rootID is the line of the file from which all but peppers is derived; without
// one, the oldest pepper is. It stays when peppers change: device cookies and
// webhook signatures hang on it.
const rootID = "root"

// derive returns a key for one purpose (RFC 5869).
func (s *secrets) derive(purpose string) []byte {
	key, err := hkdf.Key(sha256.New, s.root, nil, "tollgate server "+purpose, 32)
	if err != nil { // only for lengths that a hash cannot have
		panic(err)
	}
	return key
}

// loadSecrets reads a file of lines "id hex": the peppers, newest first, and
// the root. used is the id of a pepper that keys in the database are digested
// under, "" where nobody has served it yet: only then is a missing file made. A
// pepper that is missing or another one must not be used silently: every key
// would stop working, and nobody would know why.
func loadSecrets(path, used string) (*secrets, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if used != "" {
			return nil, fmt.Errorf(`the pepper file %s is missing, and the database was served with one, whose newest pepper is %q.
Restore it from its backup, copy it from another server, or name it with --pepper-file. If it is lost,
no key in the database can ever be verified again: move the database away and issue new keys`, path, used)
		}
		if err := makeSecrets(path); err != nil {
			return nil, err
		}
		text, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(path); err != nil {
		return nil, err
	} else if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("others may read the pepper file %s (mode %04o): chmod 600 it", path, info.Mode().Perm())
	}
	var s secrets
	var peppers []keyfmt.Pepper
	for i, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		id, secret, _ := strings.Cut(strings.TrimSpace(line), " ")
		raw, err := hex.DecodeString(strings.TrimSpace(secret))
		switch {
		case err != nil || id == "" || len(raw) < 32:
			return nil, fmt.Errorf("%s, line %d: want an id and a secret of 32 bytes in hex; make one with: openssl rand -hex 32", path, i+1)
		case id == rootID:
			s.root = raw
		default:
			peppers = append(peppers, keyfmt.Pepper{ID: id, Secret: raw})
		}
	}
	if len(peppers) == 0 {
		return nil, fmt.Errorf("%s has no pepper: add a line of an id and the output of: openssl rand -hex 32", path)
	}
	s.newest = peppers[0].ID
	if s.root == nil { // a file made by hand
		s.root = peppers[len(peppers)-1].Secret
	}
	if s.peppers, err = keyfmt.NewKeyring(peppers[0], peppers[1:]...); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if used != "" && !slices.ContainsFunc(peppers, func(p keyfmt.Pepper) bool { return p.ID == used }) {
		return nil, fmt.Errorf("keys in the database are digested under pepper %q, which is not in %s: name the file that has it with --pepper-file", used, path)
	}
	s.fingerprints = map[string][]byte{rootID: s.fingerprint(rootID, s.root)}
	for _, p := range peppers {
		s.fingerprints[p.ID] = s.fingerprint(p.ID, p.Secret)
	}
	return &s, nil
}

// makeSecrets makes the file, unless there is one by then: of several first
// starts at once, one does. Nobody sees half of it.
func makeSecrets(path string) error {
	p, root := keyfmt.GeneratePepper("new"), keyfmt.GeneratePepper(rootID)
	sum := sha256.Sum256(p.Secret)
	p.ID = hex.EncodeToString(sum[:4]) // so that two files never name different peppers alike
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := fmt.Fprintf(f, "%s %x\n%s %x\n", p.ID, p.Secret, root.ID, root.Secret); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) { // a rename would overwrite
		return err
	}
	if d, err := os.Open(dir); err == nil { // its name must outlast a loss of power as well
		d.Sync()
		d.Close()
	}
	return nil
}

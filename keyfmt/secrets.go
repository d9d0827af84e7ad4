package keyfmt

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// rootID names the line of a secrets file that has the root secret. Everything
// but digests is derived from it.
const rootID = "root"

// OpenKeyring reads a secrets file, and creates it with mode 0600 if it is
// missing. Without the file, nothing in the database opens anything. So keep a
// backup of it, apart from the database. All processes that use a database need
// the same file.
//
// Each line of the file has an id, and a secret of 32 bytes or more in hex:
//
//	2027 5f1c…     the newest pepper, which new digests are made with
//	2026 91ab…     an older one, which old keys are found by until they are used
//	root 77d0…     what all other secrets are derived from; it stays for ever
//
// To replace a pepper, add a line below the others in the file of every
// process, and restart them. Then move the line to the top. Remove an old line
// when store.KeyAdmin.Outdated counts no keys under it. Errors name the line,
// and say what to do.
func OpenKeyring(path string) (*Keyring, error) {
	text, err := os.ReadFile(path)
	made := errors.Is(err, fs.ErrNotExist)
	if made {
		if err = makeSecrets(path); err == nil {
			text, err = os.ReadFile(path)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("keyfmt: secrets file: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("keyfmt: secrets file: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("keyfmt: others may read the secrets file %s (mode %04o): chmod 600 %[1]s", path, mode)
	}
	k, err := parseSecrets(string(text))
	if err != nil {
		return nil, fmt.Errorf("keyfmt: secrets file %s: %w", path, err)
	}
	if made {
		k.made = path
	}
	return k, nil
}

// Discard removes the secrets file if OpenKeyring has just made it. Call it if
// the database turns out to have been used under other secrets, whose file is
// missing. Otherwise a backup might save the new file in the place of the right
// one.
func (k *Keyring) Discard() error {
	if k.made == "" {
		return nil
	}
	return os.Remove(k.made)
}

// parseSecrets returns the keyring of the text of a secrets file.
func parseSecrets(text string) (*Keyring, error) {
	var peppers []Pepper
	var root []byte
	for i, line := range strings.Split(strings.TrimSpace(text), "\n") {
		id, secret, _ := strings.Cut(strings.Trim(line, " \t\r"), " ")
		raw, err := hex.DecodeString(strings.Trim(secret, " \t"))
		switch {
		case err != nil || id == "" || len(raw) < minSecret:
			return nil, fmt.Errorf("line %d: want an id and a secret of 32 bytes in hex; restore the file from its backup, or for a new secret add the output of: openssl rand -hex 32", i+1)
		case id == rootID && root != nil:
			return nil, fmt.Errorf("line %d: a second root: keep the one that the database was first used with", i+1)
		case id == rootID:
			root = raw
		default:
			peppers = append(peppers, Pepper{ID: id, Secret: raw})
		}
	}
	switch {
	case len(peppers) == 0:
		return nil, errors.New("no pepper: add a line of an id and the output of: openssl rand -hex 32")
	case root == nil:
		return nil, errors.New(`no root: add a line "root" with the output of: openssl rand -hex 32`)
	}
	k, err := NewKeyring(peppers[0], peppers[1:]...)
	if err != nil {
		return nil, err
	}
	k.root = sealed(root)
	return k, nil
}

// makeSecrets creates the file, unless another process has created it
// meanwhile. It writes a temporary file and links it, so the file appears with
// all of its content or not at all.
func makeSecrets(path string) error {
	p, root := GeneratePepper("new"), GeneratePepper(rootID)
	sum := sha256.Sum256(p.Secret)
	p.ID = hex.EncodeToString(sum[:4]) // so that no two files give one id to different peppers
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	var text bytes.Buffer
	fmt.Fprintf(&text, "%s %x\n%s %x\n", p.ID, p.Secret, root.ID, root.Secret)
	if _, err := f.Write(text.Bytes()); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) { // a rename would overwrite the file of another process
		return err
	}
	if d, err := os.Open(dir); err == nil { // the name must survive a loss of power too
		d.Sync()
		d.Close()
	}
	return nil
}

// sealed hides a secret in a closure. Package fmt prints the fields of structs
// under every verb, but nothing that a function has captured.
func sealed(secret []byte) func() []byte { return func() []byte { return secret } }

// Derive returns 32 bytes for one purpose, by HKDF (RFC 5869) from the root
// secret. They are always the same for the same purpose and secrets file, and
// tell nothing about those of other purposes. The root of a keyring made by
// NewKeyring is its oldest pepper.
func (k *Keyring) Derive(purpose string) []byte {
	key, err := hkdf.Key(sha256.New, k.root(), nil, "tollgate "+purpose, 32)
	if err != nil { // only for a length that HKDF cannot produce
		panic(err)
	}
	return key
}

// Newest returns the id of the pepper that new digests are made with. It is ""
// if there is none: see InsecureUnpeppered.
func (k *Keyring) Newest() string { return k.peppers[0].id }

// Fingerprints returns a fingerprint of each pepper by its id, and one of the
// root under "root". They are made under a key derived from the root, and
// reveal nothing without it, so a store may keep them: see store.CheckSecrets.
// It returns nil for InsecureUnpeppered.
func (k *Keyring) Fingerprints() map[string][32]byte {
	if k.Newest() == "" {
		return nil
	}
	prints := map[string][32]byte{rootID: k.fingerprint(rootID, k.root())}
	for _, p := range k.peppers {
		prints[p.id] = k.fingerprint(p.id, p.secret())
	}
	return prints
}

// fingerprint returns the HMAC of an id and its secret. The id cannot contain
// NUL, so no two pairs give the same text.
func (k *Keyring) fingerprint(id string, secret []byte) [32]byte {
	mac := hmac.New(sha256.New, k.Derive("fingerprints"))
	fmt.Fprintf(mac, "%s\x00%s", id, secret)
	return [32]byte(mac.Sum(nil))
}

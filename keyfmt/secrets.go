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

// rootID names the line of a secrets file that everything but digests is derived
// from.
const rootID = "root"

// OpenKeyring reads a secrets file, or creates it if it is missing (mode 0600).
// Without the file, nothing in the database opens anything: keep a backup of it
// apart from the database, and give the same file to every process that uses the
// database.
//
// The file has lines of an id and a secret of 32 bytes or more in hex:
//
//	2027 5f1c…     the newest pepper, which new digests are made with
//	2026 91ab…     an older one, which old keys are found by until they are used
//	root 77d0…     what all other secrets are derived from; it stays for ever
//
// To replace a pepper, add a line under the others in the file of every process;
// then move it to the top; remove old ones when store.KeyAdmin.Outdated counts
// none. Errors name the line and what to do.
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

// Discard removes the secrets file if OpenKeyring has just made it: for a database
// that was used under other secrets, whose file is missing. A backup must not
// mistake the new one for it.
func (k *Keyring) Discard() error {
	if k.made == "" {
		return nil
	}
	return os.Remove(k.made)
}

// parseSecrets reads the text of a secrets file.
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

// makeSecrets creates the file unless another process did so first. The link
// makes it appear whole or not at all.
func makeSecrets(path string) error {
	p, root := GeneratePepper("new"), GeneratePepper(rootID)
	sum := sha256.Sum256(p.Secret)
	p.ID = hex.EncodeToString(sum[:4]) // so that two files never name different peppers alike
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
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) { // a rename would overwrite
		return err
	}
	if d, err := os.Open(dir); err == nil { // its name must survive a loss of power as well
		d.Sync()
		d.Close()
	}
	return nil
}

// sealed hides secret in a closure: package fmt prints struct fields under every
// verb, but not what a function captures.
func sealed(secret []byte) func() []byte { return func() []byte { return secret } }

// Derive returns 32 bytes for one purpose (HKDF, RFC 5869, of the root secret):
// the same for the same purpose and secrets file, for ever. The root of a keyring
// that NewKeyring made is its oldest pepper.
func (k *Keyring) Derive(purpose string) []byte {
	key, err := hkdf.Key(sha256.New, k.root(), nil, "tollgate "+purpose, 32)
	if err != nil { // only for lengths that a hash cannot have
		panic(err)
	}
	return key
}

// Newest returns the id of the pepper that new digests are made with; "" if that
// is none: see InsecureUnpeppered.
func (k *Keyring) Newest() string { return k.peppers[0].id }

// Fingerprints returns a fingerprint of each pepper, by id, and of the root, under
// "root". They reveal nothing without the root, so a store may keep them: see
// store.CheckSecrets. It is nil for InsecureUnpeppered.
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

func (k *Keyring) fingerprint(id string, secret []byte) [32]byte {
	mac := hmac.New(sha256.New, k.Derive("fingerprints"))
	fmt.Fprintf(mac, "%s\x00%s", id, secret)
	return [32]byte(mac.Sum(nil))
}

package password_test

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"medtwin.ai/tollgate/authn/password"
)

func passwords(t testing.TB, change ...func(*password.Config)) *password.Hasher {
	t.Helper()
	var c password.Config
	for _, f := range change {
		f(&c)
	}
	p, err := password.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func hash(t testing.TB, p *password.Hasher, text string) string {
	t.Helper()
	h, err := p.Hash(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

const good = "glacier mango tutor velvet"

func TestNewRefuses(t *testing.T) {
	for name, c := range map[string]password.Config{"hashes": {Hashes: -1}, "queue": {Queue: -1}, "wait": {Wait: -1}} {
		if _, err := password.New(c); err == nil {
			t.Errorf("negative %s were accepted", name)
		}
	}
}

func TestHash(t *testing.T) {
	p := passwords(t)
	first, second := hash(t, p, good), hash(t, p, good)
	if first == second {
		t.Error("two hashes of one password are the same: no salt")
	}
	if want := "$argon2id$v=19$m=19456,t=2,p=1$"; !strings.HasPrefix(first, want) {
		t.Errorf("%s… does not begin with %s", first[:len(want)], want)
	}
	for name, bad := range map[string]string{"empty": "", "1,025 bytes": strings.Repeat("x", 1025)} {
		if _, err := p.Hash(t.Context(), bad); !errors.Is(err, password.ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
	}
}

// case S19, the part of the hash: whoever is asked for and whatever the
// password, one Argon2id of one cost runs.
func TestVerifyTakesTheSameWork(t *testing.T) {
	p := passwords(t)
	stored := hash(t, p, good)
	type work struct{ memory, time uint32 }
	var ran []work
	p.OnHash(func(memory, time uint32) { ran = append(ran, work{memory, time}) })
	for name, tt := range map[string]struct {
		hash, password string
		ok             bool
	}{
		"right":                    {stored, good, true},
		"wrong":                    {stored, good + "!", false},
		"empty":                    {stored, "", false},
		"too long":                 {stored, strings.Repeat("x", 1<<20), false},
		"no user, or no password":  {"", good, false},
		"no user and no password":  {"", "", false},
		"no user and too long one": {"", strings.Repeat("x", 1<<20), false},
	} {
		ran = nil
		ok, rehash, err := p.Verify(t.Context(), tt.hash, tt.password)
		if ok != tt.ok || rehash || err != nil {
			t.Errorf("%s: %t, rehash %t, %v", name, ok, rehash, err)
		}
		if len(ran) != 1 || ran[0] != (work{19 * 1024, 2}) {
			t.Errorf("%s: ran %v, want one of 19 MiB and two passes", name, ran)
		}
	}
}

// Hashes that others made verify, and are replaced unless they cost the same.
func TestVerifyVectors(t *testing.T) {
	raw, err := os.ReadFile("testdata/passwords.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Vectors []struct{ Name, Password, Hash string }
	}
	if err := json.Unmarshal(raw, &file); err != nil || len(file.Vectors) < 8 {
		t.Fatal(len(file.Vectors), err)
	}
	p := passwords(t)
	for _, v := range file.Vectors {
		foreign := !strings.Contains(v.Hash, "$m=19456,t=2,p=1$")
		if ok, rehash, err := p.Verify(t.Context(), v.Hash, v.Password); !ok || rehash != foreign || err != nil {
			t.Errorf("%s: %t, rehash %t, %v; want true, %t", v.Name, ok, rehash, err, foreign)
		}
		if ok, rehash, err := p.Verify(t.Context(), v.Hash, "x"+v.Password); ok || rehash || err != nil {
			t.Errorf("%s: a wrong password: %t, rehash %t, %v", v.Name, ok, rehash, err)
		}
	}
}

// case S22: bcrypt looks at 72 bytes, so whatever is longer is not the
// password, however it begins; refusing it takes the common work.
func TestVerifyBcrypt(t *testing.T) {
	p := passwords(t)
	hashes := 0
	p.OnHash(func(_, _ uint32) { hashes++ })
	password := strings.Repeat("0123456789ab", 6)
	stored, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range []string{"$2a$", "$2b$", "$2y$"} {
		hash := version + string(stored[4:])
		if ok, rehash, err := p.Verify(t.Context(), hash, password); !ok || !rehash || err != nil {
			t.Errorf("%s: 72 bytes: %t, rehash %t, %v", version, ok, rehash, err)
		}
		if ok, _, err := p.Verify(t.Context(), hash, password[:71]); ok || err != nil {
			t.Errorf("%s: 71 bytes: %t, %v", version, ok, err)
		}
		if hashes != 0 {
			t.Errorf("%s: %d Argon2id beside bcrypt", version, hashes)
		}
		if ok, rehash, err := p.Verify(t.Context(), hash, password+"c"); ok || rehash || err != nil || hashes != 1 {
			t.Errorf("%s: 73 bytes: %t, rehash %t, %v, after %d Argon2id; want false after 1", version, ok, rehash, err, hashes)
		}
		hashes = 0
	}
	empty, err := bcrypt.GenerateFromPassword(nil, bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	if ok, _, _ := p.Verify(t.Context(), string(empty), ""); ok {
		t.Error("an account without a password was let in with none")
	}
}

// case S24: every byte counts.
func TestPasswordsAreBytes(t *testing.T) {
	p := passwords(t)
	for _, tt := range [][]string{
		{" " + good, good, good + " ", strings.ToUpper(good), "\t" + good},
		{"nul\x00and then on we go", "nul\x00and then on we stop", "nul", "nuland then on we go"},
		{"vier 🐎🐄🐖🐑 im Stall", "vier 🐎🐄🐖🐐 im Stall", "vier ???? im Stall"},
		{"caf\u00e9 au lait et miel", "cafe\u0301 au lait et miel"},
		{"not \xff UTF-8 at all", "not \xfe UTF-8 at all", "not \ufffd UTF-8 at all"},
	} {
		stored := hash(t, p, tt[0])
		for i, s := range tt {
			if ok, _, err := p.Verify(t.Context(), stored, s); ok != (i == 0) || err != nil {
				t.Errorf("stored %q, tried %q: %t, %v", tt[0], s, ok, err)
			}
		}
	}
}

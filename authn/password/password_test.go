package password_test

import (
	"encoding/json"
	"errors"
	"os"
	"slices"
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
	for _, tt := range []struct {
		name string
		c    password.Config
	}{{"hashes", password.Config{Hashes: -1}}, {"queue", password.Config{Queue: -1}}, {"wait", password.Config{Wait: -1}}} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := password.New(tt.c); err == nil {
				t.Errorf("negative %s were accepted", tt.name)
			}
		})
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
	for _, tt := range []struct{ name, bad string }{{"empty", ""}, {"1,025 bytes", strings.Repeat("x", 1025)}} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := p.Hash(t.Context(), tt.bad); !errors.Is(err, password.ErrInvalid) {
				t.Errorf("%v, want ErrInvalid", err)
			}
		})
	}
}

// case S19, the part of the hash: every user costs the same number of Argon2id of one
// cost. It is one, and one more only for a password that is not in the form that is
// hashed.
func TestVerifyTakesTheSameWork(t *testing.T) {
	p := passwords(t)
	stored := hash(t, p, good)
	type work struct{ memory, time uint32 }
	var ran []work
	p.OnHash(func(memory, time uint32) { ran = append(ran, work{memory, time}) })
	const nfd = "cafe\u0301 au lait et miel"
	for _, tt := range []struct {
		name, hash, password string
		ok                   bool
		hashes               int
	}{
		{"right", stored, good, true, 1},
		{"wrong", stored, good + "!", false, 1},
		{"empty", stored, "", false, 1},
		{"too long", stored, strings.Repeat("x", 1<<20), false, 1},
		{"no user, or no password", "", good, false, 1},
		{"no user and no password", "", "", false, 1},
		{"no user and too long one", "", strings.Repeat("x", 1<<20), false, 1},
		{"right, decomposed spaces", stored, strings.ReplaceAll(good, " ", "\u00a0"), true, 1},
		{"wrong and decomposed", stored, nfd, false, 2},
		{"no user and decomposed", "", nfd, false, 2},
		{"decomposed and too long as sent", stored, strings.Repeat("e\u0301", 400), false, 1},
		{"no user, and too long as sent", "", strings.Repeat("e\u0301", 400), false, 1},
		{"not UTF-8", stored, nfd + "\xff", false, 1},
		{"no user and not UTF-8", "", nfd + "\xff", false, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ran = nil
			ok, rehash, err := p.Verify(t.Context(), tt.hash, tt.password)
			if ok != tt.ok || rehash || err != nil {
				t.Errorf("%t, rehash %t, %v; want %t", ok, rehash, err, tt.ok)
			}
			if want := slices.Repeat([]work{{19 * 1024, 2}}, tt.hashes); !slices.Equal(ran, want) {
				t.Errorf("ran %v, want %v", ran, want)
			}
		})
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

// case S24: every character counts, and every byte of what is not UTF-8.
func TestPasswordsAreKept(t *testing.T) {
	p := passwords(t)
	for _, tt := range [][]string{
		{" " + good, good, good + " ", strings.ToUpper(good), "\t" + good},
		{"nul\x00and then on we go", "nul\x00and then on we stop", "nul", "nuland then on we go"},
		{"vier 🐎🐄🐖🐑 im Stall", "vier 🐎🐄🐖🐐 im Stall", "vier ???? im Stall"},
		{"caf\u00e9 au lait et miel", "cafe au lait et miel", "cafe\u0300 au lait et miel", "CAF\u00c9 au lait et miel"},
		{"\ufb01ne wine and old cheese", "fine wine and old cheese"}, // compatibility is not identity
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

// case S30: what looks the same is the same password, however it was typed.
func TestOnePasswordInEveryForm(t *testing.T) {
	p := passwords(t)
	for _, tt := range []struct {
		name  string
		forms []string
	}{
		{"NFC and NFD", []string{"caf\u00e9 au lait et miel", "cafe\u0301 au lait et miel"}},
		{"order of marks", []string{"q\u0323\u0307 and so on and on", "q\u0307\u0323 and so on and on"}},
		{"singletons", []string{"\u00c5ngstr\u00f6m was right", "\u212bngstro\u0308m was right"}},
		{"spaces", []string{good, strings.ReplaceAll(good, " ", "\u00a0"), strings.ReplaceAll(good, " ", "\u3000")}},
		{"256 syllables of Hangul", []string{strings.Repeat("\uac01", 256), strings.Repeat("\u1100\u1161\u11a8", 256)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, stored := range tt.forms {
				h := hash(t, p, stored)
				for _, s := range tt.forms {
					if ok, rehash, err := p.Verify(t.Context(), h, s); !ok || rehash || err != nil {
						t.Errorf("stored %+q, tried %+q: %t, rehash %t, %v", stored, s, ok, rehash, err)
					}
				}
				if err := p.Check(t.Context(), stored); (err == nil) != (tt.name != "256 syllables of Hangul") {
					t.Errorf("%+q: %v", stored, err) // that is one syllable, repeated
				}
			}
		})
	}
}

// case S30: a hash of the password as it was sent, which is how it was hashed
// before, verifies, and is to be replaced.
func TestHashesOfBefore(t *testing.T) {
	p := passwords(t)
	const nfd, nfc = "cafe\u0301 au lait et miel", "caf\u00e9 au lait et miel"
	imported, err := bcrypt.GenerateFromPassword([]byte(nfd), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, stored string }{{"argon2id", p.HashAsSent(nfd)}, {"bcrypt", string(imported)}} {
		t.Run(tt.name, func(t *testing.T) {
			if ok, rehash, err := p.Verify(t.Context(), tt.stored, nfd); !ok || !rehash || err != nil {
				t.Errorf("as it was sent: %t, rehash %t, %v; want true, true", ok, rehash, err)
			}
			if ok, _, err := p.Verify(t.Context(), tt.stored, nfd+"!"); ok || err != nil {
				t.Errorf("another one: %t, %v", ok, err)
			}
		})
	}
	if ok, _, err := p.Verify(t.Context(), hash(t, p, nfd), nfc); !ok || err != nil {
		t.Errorf("once it is replaced the other form passes too: %t, %v", ok, err)
	}
}

// case S24, case S30: the length is that of the form that is hashed.
func TestLengthInCharacters(t *testing.T) {
	p := passwords(t)
	for _, tt := range []struct {
		name, password, code string
	}{
		{"14 characters of two code points", strings.Repeat("e\u0301", 14), "too_short"},
		{"257 of two", strings.Repeat("e\u0301", 257), "too_long"},
		{"a million", strings.Repeat("x", 1_000_000), "too_long"},
		{"empty", "", "too_short"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := p.Check(t.Context(), tt.password)
			if e, ok := errors.AsType[*password.PolicyError](err); !ok || e.Code != tt.code {
				t.Errorf("got %v, want %s", err, tt.code)
			}
		})
	}
}

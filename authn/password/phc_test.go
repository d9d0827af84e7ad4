package password

import (
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// aHash is of the cost of today.
const aHash = "$argon2id$v=19$m=19456,t=2,p=1$AAECAwQFBgcICQoLDA0ODw$gYJZtjEAJqjg26xdLmknq8/bB7MiWPrE9hsYuA+SkIU"

// unusable are stored hashes that nobody made, or that nobody should believe.
var unusable = []struct{ name, hash string }{
	{"no passes", strings.Replace(aHash, "t=2", "t=0", 1)},
	{"no lanes", strings.Replace(aHash, "p=1", "p=0", 1)},
	{"4 GiB", strings.Replace(aHash, "m=19456", "m=4194304", 1)},
	{"64 MiB and a bit", strings.Replace(aHash, "m=19456", "m=65537", 1)},
	{"11 passes", strings.Replace(aHash, "t=2", "t=11", 1)},
	{"2³²-1 passes", strings.Replace(aHash, "t=2", "t=4294967295", 1)},
	{"2³²+2 passes", strings.Replace(aHash, "t=2", "t=4294967298", 1)},
	{"17 lanes", strings.Replace(aHash, "p=1", "p=17", 1)},
	{"257 lanes", strings.Replace(aHash, "p=1", "p=257", 1)},
	{"too little memory", strings.Replace(aHash, "m=19456", "m=7", 1)},
	{"leading zero", strings.Replace(aHash, "t=2", "t=02", 1)},
	{"sign", strings.Replace(aHash, "t=2", "t=+2", 1)},
	{"negative", strings.Replace(aHash, "t=2", "t=-2", 1)},
	{"other order", strings.Replace(aHash, "m=19456,t=2", "t=2,m=19456", 1)},
	{"other version", strings.Replace(aHash, "v=19", "v=16", 1)},
	{"argon2i", strings.Replace(aHash, "argon2id", "argon2i", 1)},
	{"unknown", "$scrypt$ln=15,r=8,p=1$AAECAwQFBgc$gYJZtjEAJqjg26xdLmknq8"},
	{"the password itself", "hunter2hunter2hunter2"},
	{"blank", "\t"},
	{"trailing text", aHash + "$"},
	{"trailing newline", aHash + "\n"},
	{"newline inside", aHash[:60] + "\n" + aHash[60:]},
	{"padded", aHash + "="},
	{"stray bits", aHash[:len(aHash)-1] + "V"},
	{"not UTF-8", aHash + "\xff"},
	{"no key", aHash[:strings.LastIndex(aHash, "$")+1]},
	{"no salt", "$argon2id$v=19$m=19456,t=2,p=1$$gYJZtjEAJqjg26xdLmknq8"},
	{"short key", aHash[:strings.LastIndex(aHash, "$")+9]},
	{"1 MiB", aHash + strings.Repeat("A", 1<<20)},
	{"bcrypt cost 31", "$2a$31$" + strings.Repeat("a", 53)},
	{"bcrypt cost 15", "$2b$15$" + strings.Repeat("a", 53)},
	{"bcrypt cost 3", "$2b$03$" + strings.Repeat("a", 53)},
	{"bcrypt cost +4", "$2b$+4$" + strings.Repeat("a", 53)},
	{"bcrypt version x", "$2x$04$" + strings.Repeat("a", 53)},
	{"bcrypt version 3", "$3a$04$" + strings.Repeat("a", 53)},
	{"bcrypt truncated", "$2a$04$" + strings.Repeat("a", 52)},
	{"bcrypt and more", "$2a$04$" + strings.Repeat("a", 54)},
	{"bcrypt alphabet", "$2a$04$" + strings.Repeat("=", 53)},
	{"bcrypt newline", "$2a$04$" + strings.Repeat("a", 53) + "\n"},
}

// case S21: no stored text makes a login panic, allocate or go through; all of
// them are one Argon2id of the present cost, and ErrHash.
func TestUnusableHashes(t *testing.T) {
	p, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	var ran []cost
	p.derive = func(_, _ []byte, c cost, size int) []byte {
		ran = append(ran, c)
		return make([]byte, size)
	}
	for _, tt := range unusable {
		ran = nil
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		ok, rehash, err := p.Verify(t.Context(), tt.hash, "correct horse battery staple")
		runtime.ReadMemStats(&after)
		if ok || rehash || !errors.Is(err, ErrHash) {
			t.Errorf("%s: %t, %t, %v; want ErrHash", tt.name, ok, rehash, err)
		}
		if err != nil && strings.Contains(err.Error(), tt.hash) {
			t.Errorf("%s: the error shows the hash: %v", tt.name, err)
		}
		if d := cmp.Diff([]cost{present}, ran, cmp.AllowUnexported(cost{})); d != "" {
			t.Errorf("%s: Argon2id ran (-want +got):\n%s", tt.name, d)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 64<<10 {
			t.Errorf("%s: %d bytes were allocated", tt.name, n)
		}
	}
	for n := range len(aHash) - 1 { // truncated anywhere
		if h, err := parsePHC(aHash[:n+1]); err == nil && len(h.key) == keySize {
			t.Errorf("%q was taken for a whole hash", aHash[:n+1])
		}
	}
}

// What parses prints as it was, within the bounds; nothing panics.
func FuzzParsePHC(f *testing.F) {
	f.Add(aHash)
	for _, tt := range unusable {
		if len(tt.hash) <= 2*maxPHC {
			f.Add(tt.hash)
		}
	}
	f.Fuzz(func(t *testing.T, s string) {
		h, err := parsePHC(s)
		if err != nil {
			if !errors.Is(err, ErrHash) {
				t.Fatalf("%v is not ErrHash", err)
			}
			return
		}
		if h.String() != s {
			t.Errorf("%q prints as %q", s, h)
		}
		if h.memory > maxMemory || h.time > maxTime || h.lanes > maxLanes || h.time == 0 || h.lanes == 0 || len(h.key) < 16 {
			t.Errorf("%q is out of bounds", s)
		}
	})
}

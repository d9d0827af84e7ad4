package password_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"medtwin.ai/tollgate/authn/password"
)

// code is how Check judges.
func code(t *testing.T, p *password.Hasher, text string, about ...string) string {
	t.Helper()
	err := p.Check(t.Context(), text, about...)
	var refused *password.PolicyError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &refused) && errors.Is(err, password.ErrInvalid) && refused.Detail != "":
		return refused.Code
	}
	t.Fatalf("%q: %v is no PolicyError", text, err)
	return ""
}

// case S24: 15 to 256 characters, whatever they are.
func TestLength(t *testing.T) {
	p := passwords(t)
	for _, tt := range []struct{ name, alphabet string }{
		{"letters", "kzvbxwqmhtrnlpdg"}, {"punctuation", `;~#!?(*%{<"$|`}, {"bytes", "\x00\x01\x7f\xff\xfe "},
		{"emoji", "🐎🍇🚀🎹🧊🪁🌵🏺"}, {"Greek", "ψφζχγλξηβ"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			symbols := strings.Split(tt.alphabet, "")
			random := rand.New(rand.NewPCG(1, 2))
			var b strings.Builder
			for n := 1; n <= 257; n++ {
				b.WriteString(symbols[random.IntN(len(symbols))])
				s := b.String()
				if utf8.RuneCountInString(s) != n {
					t.Fatalf("%d characters, want %d", utf8.RuneCountInString(s), n)
				}
				want := ""
				switch {
				case n < 15:
					want = "too_short"
				case n > 256:
					want = "too_long"
				case n != 15 && n != 256:
					continue
				}
				if got := code(t, p, s); got != want {
					t.Errorf("%d %s: %q, want %q", n, tt.name, got, want)
				}
				if want == "" {
					if ok, _, err := p.Verify(t.Context(), hash(t, p, s), s); !ok || err != nil {
						t.Errorf("%d %s: not kept: %v", n, tt.name, err)
					}
				}
			}
		})
	}
}

func TestGuessable(t *testing.T) {
	p := passwords(t, func(c *password.Config) { c.Words = []string{"MedTWIN"} })
	about := []string{"Jane Doe", "jd.archer+x@northwind.example"}
	for _, tt := range []struct{ s, want string }{
		{"passwordpassword", "guessable"}, {"Password1234567", "guessable"}, {"P@$$w0rd1234567", "guessable"},
		{"MySecretPassword2024!", "guessable"}, {"ThisIsMyPassword", "guessable"}, {"iloveyouforever!", "guessable"},
		{"administrator123", "guessable"}, {"Liverpool Football 1990", "guessable"}, {"letmein letmein letmein", "guessable"},
		{"correct horse battery staple", "guessable"}, {"CorrectHorseBatteryStaple1", "guessable"}, {"p-a-s-s-w-o-r-d-1-2-3", "guessable"},
		// runs
		{"123456789012345", "guessable"}, {"112233445566778899", "guessable"}, {"abcdefghijklmnop", "guessable"},
		{"zyxwvutsrqponmlk", "guessable"}, {"qwertyuiopasdfgh", "guessable"}, {"poiuytrewqlkjhgf", "guessable"}, {"1qaz2wsx3edc4rfv", "guessable"},
		{"1q2w3e4r5t6y7u8i", "guessable"}, {"!@#$%^&*()_+!@#", "guessable"}, {"йцукенгшщзхъфыв", "guessable"},
		{"αβγδεζηθικλμνξο", "guessable"},
		// repetitions
		{"aaaaaaaaaaaaaaa", "guessable"}, {"               ", "guessable"}, {"🐎🐎🐎🐎🐎🐎🐎🐎🐎🐎🐎🐎🐎🐎🐎", "guessable"},
		{"k3Z!k3Z!k3Z!k3Z", "guessable"}, {"x7Q!vb2Wx7Q!vb2W", "guessable"}, {"x7 q! . . . . . . .", "guessable"},
		// what is known
		{"medtwin-2024-medtwin", "guessable"}, {"MedTWINMedTWIN!", "guessable"}, {"JaneDoeJaneDoe1", "guessable"},
		{"jdarcher.northwind", "guessable"}, {"d0e.jane.d0e.jane", "guessable"},
		// none of it
		{good, ""}, {"gT9$kQw2!xLp0Zr", ""}, {"the weather is rather nice", ""}, {"my dog eats blue cheese", ""},
		{"deserted street", ""}, {"we were stressed", ""}, {"mein Hund frisst gerne Gras", ""}, {"8231 7745 0912 6638", ""},
		{"e4f1a09b77c2d310", ""}, {"opposite hightower street", ""}, {"three purple trees sit here", ""},
		{"Tr0ub4dor&3xyz" + strings.Repeat("a", 60), ""}, {"jane eats seventy plums", ""},
	} {
		if got := code(t, p, tt.s, about...); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.s, got, tt.want)
		}
	}
	for _, s := range []string{"northwind archer", "janedoe, jdarcher"} {
		if before, after := code(t, p, s), code(t, p, s, about...); before != "" || after != "guessable" {
			t.Errorf("%q: %q, and %q once the person is known", s, before, after)
		}
	}
}

// Random passwords are not taken for habits.
func TestGuessableRandom(t *testing.T) {
	p := passwords(t)
	random := rand.New(rand.NewPCG(3, 4))
	for _, tt := range []struct{ name, alphabet string }{{"digits", "0123456789"}, {"hex", "0123456789abcdef"}, {"letters", "abcdefghijklmnopqrstuvwxyz"}} {
		t.Run(tt.name, func(t *testing.T) {
			refused := 0
			for range 2000 {
				b := make([]byte, 16)
				for i := range b {
					b[i] = tt.alphabet[random.IntN(len(tt.alphabet))]
				}
				if code(t, p, string(b)) != "" {
					refused++
				}
			}
			if refused != 0 {
				t.Errorf("%d of 2,000 random passwords of 16 %s were refused", refused, tt.name)
			}
		})
	}
}

// A breach check is asked last and about nothing else, and its failure is
// logged without the password and refuses nobody.
func TestBreached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var asked []string
		p := passwords(t, func(c *password.Config) {
			c.Logger = slog.New(slog.NewTextHandler(&log, nil))
			c.Breached = func(ctx context.Context, password string) (bool, error) {
				asked = append(asked, password)
				switch password {
				case "hang " + good:
					<-ctx.Done()
					return true, ctx.Err()
				case "fail " + good:
					return false, errors.New("no answer")
				}
				return password == "bad "+good, nil
			}
		})
		if got := code(t, p, "passwordpassword"); got != "guessable" || asked != nil {
			t.Errorf("%q, after asking about %q", got, asked)
		}
		start := time.Now()
		for _, tt := range []struct{ s, want string }{{good, ""}, {"bad " + good, "breached"}, {"fail " + good, ""}, {"hang " + good, ""}} {
			if got := code(t, p, tt.s); got != tt.want {
				t.Errorf("%q: %q, want %q", tt.s, got, tt.want)
			}
		}
		if d := time.Since(start); d != 2*time.Second {
			t.Errorf("a check that hangs took %v", d)
		}
		if n := strings.Count(log.String(), "level=WARN"); n != 2 || strings.Contains(log.String(), good) {
			t.Errorf("%d warnings, want 2 without the password:\n%s", n, log.String())
		}
	})
}

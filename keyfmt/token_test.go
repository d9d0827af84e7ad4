package keyfmt

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// leaks returns the forms in which secret stands in text: as it is, in hex
// or base64, or as a list of numbers.
func leaks(text string, secret []byte) (forms []string) {
	numbers := fmt.Sprint(secret)
	for _, tt := range []struct{ name, form string }{
		{"text", string(secret)},
		{"quoted", strings.Trim(fmt.Sprintf("%q", secret), `"`)},
		{"hex", hex.EncodeToString(secret)},
		{"spaced", fmt.Sprintf("% x", secret)},
		{"base64", base64.RawStdEncoding.EncodeToString(secret)},
		{"decimal", numbers[1 : len(numbers)-1]},
	} {
		if strings.Contains(strings.ToLower(text), strings.ToLower(tt.form)) {
			forms = append(forms, tt.name)
		}
	}
	return forms
}

// printed returns v in every form that fmt, slog and the encoders give it.
func printed(t *testing.T, v any, verbs string) map[string]string {
	t.Helper()
	out := map[string]string{"Sprint": fmt.Sprint(v)}
	for _, verb := range verbs {
		for _, flag := range []string{"", "+", "#", " ", "-80", ".500"} {
			f := "%" + flag + string(verb)
			out[f] = fmt.Sprintf(f, v)
		}
	}
	marshal := func(name string, f func(any) ([]byte, error)) {
		b, err := f(v)
		if err != nil {
			b = []byte(err.Error()) // refusing is as good, if the error says nothing
		}
		out[name] = string(b)
	}
	marshal("json", json.Marshal)
	marshal("xml", xml.Marshal)
	var b bytes.Buffer
	slog.New(slog.NewTextHandler(&b, nil)).Info("text", "v", v)
	slog.New(slog.NewJSONHandler(&b, nil)).Info("json", "v", v)
	out["slog"] = b.String()
	return out
}

const everyVerb = "vTtbcdoOqxXUeEfFgGspwyz!"

// case T1
func TestTokenRedacts(t *testing.T) {
	token := format(t, "mt_live_").Generate()
	secret := []byte(token.Reveal()[len("mt_live_"):][:randomLen])
	type exported struct{ Token Token }
	type hidden struct {
		token  Token
		tokens []Token
	}
	for _, tt := range []struct {
		name string
		v    any
	}{
		{"value", token},
		{"pointer", &token},
		{"slice", []Token{token}},
		{"map", map[string]Token{"k": token}},
		{"exported field", exported{token}},
		{"unexported field", hidden{token, []Token{token}}},
		{"error", fmt.Errorf("no: %v", token)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for how, text := range printed(t, tt.v, everyVerb) {
				if forms := leaks(text, secret); forms != nil {
					t.Errorf("%s by %s shows the token as %v", tt.name, how, forms)
				}
			}
		})
	}
}

// case T1
func TestPepperRedacts(t *testing.T) {
	p := GeneratePepper("2026-01")
	verbs := strings.NewReplacer("p", "", "w", "").Replace(everyVerb) // vet refuses these two, and fmt asks no method there
	for _, tt := range []struct {
		name string
		v    any
	}{
		{"value", p},
		{"pointer", &p},
		{"slice", []Pepper{p}},
		{"exported field", struct{ Pepper Pepper }{p}},
		{"keyring", keyring(t, p)},
		{"keyring value", *keyring(t, p)},
		{"hidden keyring", struct{ keys *Keyring }{keyring(t, p)}},
		{"refusal", refusal(Pepper{ID: "UPPER", Secret: p.Secret})},
		{"weak", refusal(Pepper{ID: "a", Secret: p.Secret[:31]})},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for how, text := range printed(t, tt.v, verbs) {
				if forms := leaks(text, p.Secret[:16]); forms != nil {
					t.Errorf("%s by %s shows the secret as %v", tt.name, how, forms)
				}
			}
		})
	}
}

func refusal(p Pepper) error {
	_, err := NewKeyring(p)
	return err
}

// Every way to print a token shows its hint instead.
func TestTokenShows(t *testing.T) {
	token, err := format(t, "mt_live_").Parse("mt_live_V9OgR7zVR23IUSI7uH8TgfR4NbMOI")
	if err != nil {
		t.Fatal(err)
	}
	const hint = "mt_live_…bMOI"
	text, _ := token.MarshalText()
	quoted, _ := json.Marshal(token)
	for _, tt := range []struct{ name, got string }{
		{"Hint", token.Hint()}, {"String", token.String()}, {"%v", fmt.Sprintf("%v", token)},
		{"%x", fmt.Sprintf("%x", token)}, {"%#v", fmt.Sprintf("%#v", token)}, {"LogValue", token.LogValue().String()},
		{"MarshalText", string(text)}, {"json.Marshal", strings.Trim(string(quoted), `"`)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.got != hint {
				t.Errorf("%s shows %q, want %q", tt.name, tt.got, hint)
			}
		})
	}
	var zero Token
	if !zero.IsZero() || zero.Reveal() != "" || zero.Hint() != "" || token.IsZero() {
		t.Errorf("zero token: %t %q %q", zero.IsZero(), zero.Reveal(), zero.Hint())
	}
	p := Pepper{ID: "2026-01", Secret: []byte("unused")}
	if got, want := fmt.Sprintf("%v %#v %d", p, p, p), "pepper 2026-01 pepper 2026-01 pepper 2026-01"; got != want {
		t.Errorf("a pepper shows as %q, want %q", got, want)
	}
	for _, v := range []any{token, p} {
		// Handlers that look into a value by themselves find a string.
		if got := slog.AnyValue(v).Resolve(); got.Kind() != slog.KindString {
			t.Errorf("%v is logged as %s", v, got.Kind())
		}
	}
	if b, err := json.Marshal(p); err != nil || string(b) != `"pepper 2026-01"` {
		t.Errorf("a pepper in JSON: %s, %v", b, err)
	}
}

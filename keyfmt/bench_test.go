package keyfmt

import (
	"strings"
	"testing"
	"time"
)

func BenchmarkParse(b *testing.B) {
	f := format(b, "mt_live_")
	token := f.Generate().Reveal()
	for _, c := range []struct{ name, s string }{
		{"valid", token},
		{"checksum", token[:len(token)-1] + string(alphabet[(digits[token[len(token)-1]]+1)%62])},
		{"alphabet", token[:len(token)-1] + "-"},
		{"prefix", strings.Replace(token, "live", "test", 1)},
		{"hostile-1MB", strings.Repeat(token, 1<<20/len(token))},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f.Parse(c.s)
			}
		})
	}
}

func BenchmarkDigest(b *testing.B) {
	token := format(b, "mt_live_").Generate()
	newest, old := GeneratePepper("b"), GeneratePepper("a")
	for _, tt := range []struct {
		name string
		keys *Keyring
	}{{"peppered", keyring(b, newest, old)}, {"unpeppered", InsecureUnpeppered()}} {
		b.Run(tt.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				tt.keys.Digest(token)
			}
		})
	}
	b.Run("two candidates", func(b *testing.B) {
		keys := keyring(b, newest, old)
		b.ReportAllocs()
		for b.Loop() {
			for d := range keys.Candidates(token) {
				if d.Pepper == "" {
					b.Fatal("no pepper")
				}
			}
		}
	})
}

func BenchmarkGenerate(b *testing.B) {
	f := format(b, "mt_live_")
	b.ReportAllocs()
	for b.Loop() {
		f.Generate()
	}
}

func BenchmarkNewID(b *testing.B) {
	now := time.Date(2026, 1, 30, 12, 0, 0, 0, time.UTC)
	b.ReportAllocs()
	for b.Loop() {
		NewID("key_", now)
	}
}

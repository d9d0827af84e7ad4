package apikey_test

import (
	"testing"

	"medtwin.ai/tollgate/authn"
)

// The door's cost for a caller it knows, as a request pays it: digest, look-up,
// checks.
func BenchmarkVerifyHit(b *testing.B) {
	d := newDoor(b)
	_, token := d.issue()
	c := authn.NewCredential("bearer", token)
	if _, err := d.keys.Authenticate(b.Context(), c, d.now); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		if recall(d.keys, c, d.now) == nil {
			b.Fatal("not remembered")
		}
	}
}

func BenchmarkVerifyHitParallel(b *testing.B) {
	d := newDoor(b)
	_, token := d.issue()
	c := authn.NewCredential("bearer", token)
	if _, err := d.keys.Authenticate(b.Context(), c, d.now); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if recall(d.keys, c, d.now) == nil {
				b.Fail()
			}
		}
	})
}

// A made-up key that is well formed, answered from memory.
func BenchmarkVerifyRefused(b *testing.B) {
	d := newDoor(b)
	c := authn.NewCredential("bearer", formats(b)["live"].Generate().Reveal())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.keys.Authenticate(b.Context(), c, d.now); err == nil {
			b.Fatal("let in")
		}
	}
}

package authz_test

import "testing"

func BenchmarkDecide(b *testing.B) {
	r, q := typical(newModel(b))
	b.ReportAllocs()
	for b.Loop() {
		if !r.Decide(q).Allowed {
			b.Fatal("denied")
		}
	}
}

func BenchmarkDecideDenied(b *testing.B) {
	r, q := typical(newModel(b))
	q.Resources[0].ID = "p7"
	b.ReportAllocs()
	for b.Loop() {
		if r.Decide(q).Allowed {
			b.Fatal("allowed")
		}
	}
}

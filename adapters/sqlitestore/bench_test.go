package sqlitestore

import (
	"context"
	"database/sql"
	"fmt"
	"testing"

	"medtwin.ai/tollgate/store"
)

// fill adds keys in one transaction, which a benchmark has not the time to
// flush one by one.
func fill(b *testing.B, s *Store, n int) {
	b.Helper()
	newAccount(b, s)
	err := s.change(b.Context(), "fill", func(tx *sql.Tx) error {
		for i := range n {
			k := newKey(i)
			if err := insert(b.Context(), tx, k); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkFind is what a request costs whose key is not cached.
func BenchmarkFind(b *testing.B) {
	for _, n := range []int{1_000, 100_000} {
		b.Run(fmt.Sprintf("keys=%d", n), func(b *testing.B) {
			s := open(b, file(b))
			fill(b, s, n)
			newLogin(b, s)
			find := func(i int) {
				want := newKey(i * 7919 % n)
				if k, _, err := s.Keys().Find(b.Context(), want.Digest); err != nil || k.ID != want.ID {
					b.Fatal(k.ID, err)
				}
			}
			b.Run("one", func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					find(i)
				}
			})
			b.Run("parallel", func(b *testing.B) {
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					for i := 0; pb.Next(); i++ {
						find(i)
					}
				})
			})
			b.Run("owned", func(b *testing.B) {
				if _, err := s.write.Exec(`UPDATE keys SET owner = 'user_1'`); err != nil {
					b.Fatal(err)
				}
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					find(i)
				}
			})
		})
	}
}

// BenchmarkRevoke is a write that is flushed to the disk.
func BenchmarkRevoke(b *testing.B) {
	s := open(b, file(b))
	fill(b, s, 100_000)
	for i := 0; b.Loop(); i++ {
		if err := s.KeyAdmin().Revoke(b.Context(), "acct_1", newKey(i%100_000).ID, "", t0); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTouch is the flush of a thousand uses.
func BenchmarkTouch(b *testing.B) {
	s := open(b, file(b))
	fill(b, s, 1_000)
	uses := make([]store.Use, 1_000)
	for i := 0; b.Loop(); i++ {
		for n := range uses {
			uses[n] = store.Use{ID: newKey(n).ID, At: t0.AddDate(0, 0, i+1)}
		}
		if err := s.Keys().Touch(b.Context(), uses); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPoll is what a watch costs four times a second when nothing
// happens.
func BenchmarkPoll(b *testing.B) {
	s := open(b, file(b))
	conn, err := s.read.Conn(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	f := feed{conn: conn}
	for b.Loop() {
		if _, err := f.stale(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}

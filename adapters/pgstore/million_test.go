package pgstore

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"slices"
	"testing"
	"time"

	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

// BenchmarkMillion prints the median of each call over a thousand keys and over
// a million, and holds the plans of the million to those of ten thousand.
func BenchmarkMillion(b *testing.B) {
	s := open(b, config(b))
	fill(b, s, 10_000)
	few := checkPlans(b, s, nil)
	for _, keys := range []int{1_000, 1_000_000} {
		fill(b, s, keys)
		if keys == 1_000_000 {
			checkPlans(b, s, few)
		}
		for _, call := range []struct {
			name string
			do   func(n int) error
		}{
			{"Find", func(n int) error {
				_, _, err := s.Keys().Find(b.Context(), filledKey(n).Digest)
				return err
			}},
			{"Sessions.Find", func(n int) error {
				id := fmt.Sprintf("ses_%07d", n)
				_, err := s.Sessions().Find(b.Context(), keyfmt.Digest{Pepper: "p1", Sum: sha256.Sum256([]byte(id))})
				return err
			}},
			{"Touch of 100", func(n int) error {
				uses := make([]store.Use, 100)
				for i := range uses {
					uses[i] = store.Use{ID: filledKey((n + i*7919) % keys).ID, At: time.Now()}
				}
				return s.Keys().Touch(b.Context(), uses)
			}},
			{"Get", func(n int) error {
				_, err := s.KeyAdmin().Get(b.Context(), filledKey(n).Account, filledKey(n).ID)
				return err
			}},
			{"List of 50", func(n int) error {
				_, err := s.KeyAdmin().List(b.Context(), "acct_0", filledKey(n).ID, 50)
				return err
			}},
			{"Expiring of 50", func(n int) error {
				_, err := s.KeyAdmin().Expiring(b.Context(), "acct_0", time.Now(), time.Now().AddDate(1, 0, 0), 50)
				return err
			}},
			{"Accounts.List of 50", func(n int) error {
				_, err := s.Accounts().List(b.Context(), filledKey(n).Account, 50)
				return err
			}},
			{"Events.List of 50", func(n int) error {
				_, err := s.Events().List(b.Context(), "acct_0", "", 50)
				return err
			}},
			{"Create under a quota", func(n int) error {
				k := newKey(n)
				k.ID, k.Digest.Sum = keyfmt.NewID("key_", time.Now()), sha256.Sum256([]byte(rand.Text()))
				k.Account = "acct_1"
				return s.KeyAdmin().Create(b.Context(), k, 1_000_000, time.Now())
			}},
			{"Revoke", func(n int) error {
				return s.KeyAdmin().Revoke(b.Context(), filledKey(n).Account, filledKey(n).ID, "", time.Now())
			}},
		} {
			b.Run(fmt.Sprintf("%s/keys=%d", call.name, keys), func(b *testing.B) {
				var took []time.Duration
				for i := 0; b.Loop(); i++ {
					began := time.Now()
					if err := call.do(i * 7919 % keys); err != nil {
						b.Fatal(err)
					}
					took = append(took, time.Since(began))
				}
				slices.Sort(took)
				b.ReportMetric(float64(took[len(took)/2].Microseconds()), "µs-median")
			})
		}
	}
}

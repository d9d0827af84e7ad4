package pgstore

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"medtwin.ai/tollgate/adapters/pgstore/pgtest"
	"medtwin.ai/tollgate/store"
)

// together calls f for 0 to n-1 from some goroutines and returns how long it
// took.
func together(goroutines, n int, f func(i int)) time.Duration {
	var wg sync.WaitGroup
	began := time.Now()
	for g := range goroutines {
		wg.Go(func() {
			for i := g; i < n; i += goroutines {
				f(i)
			}
		})
	}
	wg.Wait()
	return time.Since(began)
}

// bare is Find without Tollgate: the statement, read as the driver gives it.
func bare(ctx context.Context, s *Store, sql string, k store.Key) error {
	var texts [20]string
	var blobs [5][]byte
	var times [8]pgtype.Timestamptz
	var grace int64
	return s.pool.QueryRow(ctx, sql, k.Digest.Sum[:], k.Digest.Pepper).Scan(
		&texts[0], &texts[1], &texts[2], &texts[3], &texts[4], &texts[5], &texts[6], &texts[7], &blobs[0], &texts[8],
		&blobs[1], &blobs[2], &texts[9], &times[0], &times[1], &times[2], &times[3], &times[4], &texts[10], &texts[11],
		&texts[12], &grace, &texts[13], &blobs[3],
		&texts[14], &texts[15], &texts[16], &texts[17], &texts[18], &times[5],
		new(string), new(string), new(string), new(string), &blobs[4], &times[6])
}

// BenchmarkFind is the cold verification of a key, beside the same statement in
// a loop of pgx and nothing else. The two take turns, and each goes first every
// other time, as the machine is never equally busy; of/bare is what is left of
// the loop's rate, in the median of the turns.
func BenchmarkFind(b *testing.B) {
	const keys, turn = 100_000, 200
	for _, mode := range []string{"cache_statement", "exec"} {
		s := open(b, config(b, "pool_max_conns=16", "default_query_exec_mode="+mode))
		fill(b, s, keys)
		sql := s.schema.in(findKey)
		for _, goroutines := range []int{1, 8, 16} {
			b.Run(fmt.Sprintf("%s/concurrency=%d", mode, goroutines), func(b *testing.B) {
				round := 0
				loop := func(f func(i int) error) time.Duration {
					return together(goroutines, turn, func(i int) {
						if err := f((round*turn + i) * 7919 % keys); err != nil {
							b.Error(err)
						}
					})
				}
				ours := func() time.Duration {
					return loop(func(i int) error { _, _, err := s.Keys().Find(b.Context(), filledKey(i).Digest); return err })
				}
				theirs := func() time.Duration {
					return loop(func(i int) error { return bare(b.Context(), s, sql, filledKey((i+keys/2)%keys)) })
				}
				var find, loose, ratios []float64
				for ; b.Loop(); round++ {
					var o, t time.Duration
					if round%2 == 0 {
						o, t = ours(), theirs()
					} else {
						t, o = theirs(), ours()
					}
					find, loose = append(find, turn/o.Seconds()), append(loose, turn/t.Seconds())
					ratios = append(ratios, t.Seconds()/o.Seconds())
				}
				b.ReportMetric(median(find), "find/s")
				b.ReportMetric(median(loose), "bare/s")
				b.ReportMetric(median(ratios), "of/bare")
			})
		}
	}
	b.Run("pgbench select-only", pgbench)
}

func median(of []float64) float64 {
	slices.Sort(of)
	return of[len(of)/2]
}

// pgbench is what Postgres's own program gets out of the same server, asking
// for one column of one table.
func pgbench(b *testing.B) {
	program := server.Bin("pgbench")
	if out, err := exec.Command(program, "--initialize", "--quiet", server.URL()).CombinedOutput(); err != nil {
		b.Logf("no pgbench: %v\n%s", err, out)
		return
	}
	for b.Loop() {
	}
	for _, goroutines := range []int{1, 8, 16} {
		out, err := exec.Command(program, "--select-only", "--protocol=prepared", "--no-vacuum", "--time=3",
			"--client="+strconv.Itoa(goroutines), "--jobs="+strconv.Itoa(min(goroutines, runtime.NumCPU())), server.URL()).CombinedOutput()
		if err != nil {
			b.Fatalf("pgbench: %v\n%s", err, out)
		}
		tps, err := strconv.ParseFloat(string(regexp.MustCompile(`tps = ([0-9.]+)`).FindSubmatch(out)[1]), 64)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(tps, fmt.Sprintf("tps/%d", goroutines))
	}
}

// BenchmarkCommit is the rate of commits that are flushed to the disk, with and
// without telling anybody. A transaction that notifies commits alone: Postgres
// lets no other that notifies pass until it is flushed.
func BenchmarkCommit(b *testing.B) {
	hurt, err := pgtest.Start(pgtest.Config{Durable: true})
	if err != nil {
		b.Fatal(err)
	}
	defer hurt.Close()
	s := open(b, Config{URL: hurt.URL("pool_max_conns=16")})
	newAccount(b, s)
	n := 0
	for _, trigger := range []string{"ENABLE", "DISABLE"} {
		if err := hurt.Exec(b.Context(), s.schema.fill("ALTER TABLE tollgate.sessions "+trigger+" TRIGGER changed")); err != nil {
			b.Fatal(err)
		}
		for _, goroutines := range []int{1, 4, 16} {
			b.Run(fmt.Sprintf("notify=%v/concurrency=%d", trigger == "ENABLE", goroutines), func(b *testing.B) {
				const turn = 400
				for ; b.Loop(); n += turn {
					together(goroutines, turn, func(i int) {
						if err := s.Sessions().Create(b.Context(), newSession(n+i)); err != nil {
							b.Error(err)
						}
					})
				}
				b.ReportMetric(float64(b.N*turn)/b.Elapsed().Seconds(), "commits/s")
			})
		}
	}
}

// BenchmarkForget is how long after a revocation was asked for another store
// hears of it: the transaction, and the way of the notification.
func BenchmarkForget(b *testing.B) {
	c := config(b)
	one := open(b, c)
	other, err := Open(b.Context(), c)
	if err != nil {
		b.Fatal(err)
	}
	defer other.Close()
	newAccount(b, one)
	w, _ := watch(b, other)
	var delays []time.Duration
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		k := newKey(i)
		if err := one.KeyAdmin().Create(b.Context(), k, 0, t0); err != nil {
			b.Fatal(err)
		}
		w.hear(b, k.ID)
		b.StartTimer()
		began := time.Now()
		if err := one.KeyAdmin().Revoke(b.Context(), k.Account, k.ID, "", t0); err != nil {
			b.Fatal(err)
		}
		w.hear(b, k.ID)
		delays = append(delays, time.Since(began))
	}
	slices.Sort(delays)
	b.ReportMetric(float64(delays[len(delays)/2].Microseconds()), "µs-median")
	b.ReportMetric(float64(delays[len(delays)*99/100].Microseconds()), "µs-p99")
}

// BenchmarkTouch is the flush of a thousand uses.
func BenchmarkTouch(b *testing.B) {
	s := open(b, config(b))
	fill(b, s, 100_000)
	uses := make([]store.Use, 1_000)
	for i := 0; b.Loop(); i++ {
		for n := range uses {
			uses[n] = store.Use{ID: filledKey(n * 97).ID, At: t0.AddDate(1, 0, i)}
		}
		if err := s.Keys().Touch(b.Context(), uses); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*len(uses)), "µs/use")
}

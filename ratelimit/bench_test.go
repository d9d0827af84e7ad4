package ratelimit

import (
	"context"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"testing"
	"time"
)

func benchPlans(b *testing.B) (plans []*Plan) {
	b.Helper()
	for _, tt := range []struct{ name, notation string }{
		// Days that no benchmark uses up.
		{"ring", "60-M, 9000000000000-D"},       // exact times
		{"buckets", "60000-M, 9000000000000-D"}, // sub-windows
	} {
		p, err := ParsePlan(tt.name, tt.notation)
		if err != nil {
			b.Fatal(err)
		}
		plans = append(plans, p)
	}
	return plans
}

func BenchmarkTake(b *testing.B) {
	ctx := context.Background()
	start := time.Now()
	for _, plan := range benchPlans(b) {
		for _, keys := range []int{1, 10_000, 1_000_000} {
			subjects := make([]string, keys)
			for i := range subjects {
				subjects[i] = "acct_" + strconv.Itoa(i) + "/live"
			}
			order := rand.New(rand.NewPCG(1, 2)).Perm(keys)
			b.Run(plan.name+"/keys="+strconv.Itoa(keys), func(b *testing.B) {
				m := NewMemory(2 * keys)  // few sets overflow
				for i := range subjects { // so that every key is there
					m.Take(ctx, Take{"plan", subjects[i], plan, 1}, start)
				}
				b.ReportAllocs()
				i, allowed := 0, 0
				// One key uses exactly its minute's quota, so that most pass.
				pace := time.Minute / time.Duration(plan.limits[0].Quota) / time.Duration(keys)
				for now := start; b.Loop(); now = now.Add(max(pace, 1)) {
					d, _ := m.Take(ctx, Take{"plan", subjects[order[i]], plan, 1}, now)
					if i++; i == keys {
						i = 0
					}
					if d.Allowed {
						allowed++
					}
				}
				b.ReportMetric(float64(allowed)/float64(b.N), "allowed/op")
			})
		}
		b.Run(plan.name+"/refused", func(b *testing.B) {
			m := NewMemory(0)
			for d, _ := m.Take(ctx, Take{"plan", "s", plan, 1}, start); d.Allowed; {
				d, _ = m.Take(ctx, Take{"plan", "s", plan, 1}, start)
			}
			b.ReportAllocs()
			for b.Loop() {
				m.Take(ctx, Take{"plan", "s", plan, 1}, start)
			}
		})
	}
}

func BenchmarkTakeParallel(b *testing.B) {
	const keys = 10_000
	subjects := make([]string, keys)
	for i := range subjects {
		subjects[i] = "acct_" + strconv.Itoa(i) + "/live"
	}
	for _, plan := range benchPlans(b) {
		b.Run(plan.name, func(b *testing.B) {
			m := NewMemory(0)
			start := time.Now()
			var worker atomic.Int64
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				i := int(worker.Add(1)) * 7919
				for now := start; pb.Next(); now = now.Add(time.Second / keys) {
					m.Take(context.Background(), Take{"plan", subjects[i%keys], plan, 1}, now)
					i++
				}
			})
		})
	}
}

type nullWriter struct{ h http.Header }

func (w nullWriter) Header() http.Header         { return w.h }
func (w nullWriter) Write(b []byte) (int, error) { return len(b), nil }
func (w nullWriter) WriteHeader(int)             {}

func BenchmarkWrap(b *testing.B) {
	plan := benchPlans(b)[0]
	now := time.Now()
	l, err := New(Config{
		Charge: func(r *http.Request) (string, *Plan) { return r.URL.Path, plan },
		Now:    func() time.Time { now = now.Add(time.Second); return now },
	})
	if err != nil {
		b.Fatal(err)
	}
	next := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	r := httptest.NewRequest("GET", "/", nil)

	h, w := l.Wrap(next), nullWriter{make(http.Header)}
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(w, r)
	}
}

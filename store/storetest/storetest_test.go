package storetest

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"medtwin.ai/tollgate/store/memory"
)

// A recorder is a tb whose failures are the result of a test and not its end.
type recorder struct {
	ctx context.Context

	mu       sync.Mutex
	failures []string
}

func (r *recorder) Helper()                  {}
func (r *recorder) Context() context.Context { return r.ctx }

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

// failures runs one check over b, in a goroutine of its own that Fatalf ends.
func failures(ctx context.Context, c check, b Backend, patience time.Duration) []string {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &recorder{ctx: ctx}
	var wg sync.WaitGroup
	wg.Go(func() { c.run(&suite{tb: r, Backend: b, rule: c.rule, patience: patience}) })
	wg.Wait()
	return r.failures
}

func newMemory(t *testing.T) *memory.Store {
	t.Helper()
	s, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Every broken backend must fail the check that is there to find it, with the
// number of the rule that it breaks in the text.
func TestSuiteFindsBrokenBackends(t *testing.T) {
	for _, b := range slices.Concat(breakages, breakagesOfPeople) {
		t.Run(fmt.Sprintf("rule %d: %s", b.rule, b.name), func(t *testing.T) {
			t.Parallel() // most spend their time waiting
			i := slices.IndexFunc(checks(), func(c check) bool { return c.rule == b.rule && c.name == b.check })
			if i < 0 {
				t.Fatalf("there is no check %q of rule %d", b.check, b.rule)
			}
			found := failures(t.Context(), checks()[i], b.open(newMemory(t)), 3*time.Second)
			if len(found) == 0 {
				t.Errorf("the check %q finds nothing wrong with this backend", b.check)
			}
			for _, f := range found {
				if !strings.Contains(f, fmt.Sprintf("rule %d of package store", b.rule)) {
					t.Errorf("a failure does not name its rule: %s", f)
				}
			}
		})
	}
}

// The same runner reports nothing of a backend that keeps the rules, so what
// it reports above comes of the breakage.
func TestSuitePassesHealthyBackend(t *testing.T) {
	for _, c := range checks() {
		if f := failures(t.Context(), c, newMemory(t), 10*time.Second); len(f) > 0 {
			t.Errorf("rule %d: %s: %s", c.rule, c.name, strings.Join(f, "; "))
		}
	}
}

func TestEveryRuleIsCheckedAndBroken(t *testing.T) {
	for rule := 1; rule <= 13; rule++ {
		if !slices.ContainsFunc(checks(), func(c check) bool { return c.rule == rule }) {
			t.Errorf("no check is of rule %d", rule)
		}
		if !slices.ContainsFunc(slices.Concat(breakages, breakagesOfPeople), func(b breakage) bool { return b.rule == rule }) {
			t.Errorf("no backend breaks rule %d", rule)
		}
	}
}

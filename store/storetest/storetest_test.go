package storetest

import (
	"context"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"medtwin.ai/tollgate/authz"
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
func failures(ctx context.Context, c check, b Backend, timeout time.Duration) []string {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &recorder{ctx: ctx}
	var wg sync.WaitGroup
	wg.Go(func() { c.run(&suite{report{r, c.rule}, b, timeout}) })
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

func allBreakages() []breakage {
	return slices.Concat(breakages, breakagesOfPeople, breakagesOfOwners, breakagesOfJoined, breakagesOfResets, breakagesOfInvitations, breakagesOfSwap, breakagesOfUpdates, breakagesOfTexts,
		breakagesOfSecrets, breakagesOfStatus, readyBreakages())
}

// Every broken backend must fail the check that is there to find it, with the
// number of the rule that it breaks in the text.
func TestSuiteFindsBrokenBackends(t *testing.T) {
	for _, b := range allBreakages() {
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

// The calls of a pair go to both stores, also those of one method.
func TestPair(t *testing.T) {
	one, two := newMemory(t), newMemory(t)
	p := Pair(one, two)
	for _, id := range []string{"acct_1", "acct_2"} {
		if err := p.Accounts().Create(t.Context(), newAccount(id)); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name string
		s    Backend
		want string
	}{{"first", one, "acct_1"}, {"second", two, "acct_2"}} {
		if list, err := tt.s.Accounts().List(t.Context(), "", 9); err != nil || len(list) != 1 || list[0].ID != tt.want {
			t.Errorf("the %s store: got %v, %v; want %s alone", tt.name, list, err, tt.want)
		}
	}
}

// RunSessions has the checks that find broken sessions, and asks for nothing
// else.
func TestSuiteOfSessions(t *testing.T) {
	t.Parallel() // it mostly waits
	list := checksOfSessions()
	for _, c := range list {
		if !slices.ContainsFunc(checks(), func(o check) bool { return o.rule == c.rule && o.name == c.name }) {
			t.Errorf("rule %d: %s: Run does not have this check", c.rule, c.name)
		}
		if f := failures(t.Context(), c, alone{sessions: newMemory(t)}, 10*time.Second); len(f) > 0 {
			t.Errorf("rule %d: %s: %s", c.rule, c.name, strings.Join(f, "; "))
		}
	}
	found := map[int]bool{}
	for _, b := range allBreakages() {
		i := slices.IndexFunc(list, func(c check) bool { return c.rule == b.rule && c.name == b.check })
		if i < 0 {
			continue
		}
		found[b.rule] = true
		if f := failures(t.Context(), list[i], alone{sessions: b.open(newMemory(t))}, time.Second); len(f) == 0 {
			t.Errorf("rule %d: %s: %s: nothing is found", b.rule, b.name, b.check)
		}
	}
	for _, rule := range []int{2, 3, 4, 5, 8, 9, 17} {
		if !found[rule] {
			t.Errorf("no broken store of sessions breaks rule %d", rule)
		}
	}
}

func TestEveryRuleIsCheckedAndBroken(t *testing.T) {
	for rule := 1; rule <= 21; rule++ {
		if !slices.ContainsFunc(checks(), func(c check) bool { return c.rule == rule }) {
			t.Errorf("no check is of rule %d", rule)
		}
		if !slices.ContainsFunc(allBreakages(), func(b breakage) bool { return b.rule == rule }) {
			t.Errorf("no backend breaks rule %d", rule)
		}
	}
}

// A method that takes text is called with text that no record can hold, each of
// its arguments and each field of those.
// case T15
func TestEveryTextIsChecked(t *testing.T) {
	var calls []string
	for _, c := range slices.Concat(textsOfRecords(), textsOfSessions()) {
		calls = append(calls, c.name)
	}
	for part := range reflect.TypeFor[Backend]().Methods() {
		if part.Name == "Watch" {
			continue
		}
		records := part.Type.Out(0)
		for method := range records.Methods() {
			name, want := records.Name()+"."+method.Name, 0
			for in := range method.Type.Ins() {
				want += textsIn(in)
			}
			switch name {
			case "KeyAdmin.Rotate":
				want -= 6 // which it takes from the old key
			case "Users.SetPassword":
				want -= 2 // which it does not read
			case "Memberships.Swap":
				want -= 2 // of next, which it does not read
			}
			got := 0
			for _, c := range calls {
				if strings.HasPrefix(c, name+":") {
					got++
				}
			}
			if got != want {
				t.Errorf("%s: %d of its texts are tried, want %d", name, got, want)
			}
		}
	}
}

// textsIn counts the texts in what is passed in. Grants and scopes count once.
func textsIn(t reflect.Type) (n int) {
	switch t.Kind() {
	case reflect.String:
		return 1
	case reflect.Pointer, reflect.Slice:
		return textsIn(t.Elem())
	case reflect.Map:
		return 1
	case reflect.Struct:
		if t == reflect.TypeFor[authz.Grant]() {
			return 1
		}
		for f := range t.Fields() {
			if f.IsExported() {
				n += textsIn(f.Type)
			}
		}
	}
	return n
}

// A new method of an interface of package store must be declared here: either it
// only reads, or it is a mutator that watchers hear of.
// case K11
func TestEveryMutatorIsChecked(t *testing.T) {
	silent := []string{
		"Keys.Find", "Keys.Touch", "Sessions.Touch", "Events.Append", "Events.Prune", "Users.BeginReset", // rule 8: they alter no decision
		"KeyAdmin.Get", "KeyAdmin.ByIdempotency", "KeyAdmin.List", "KeyAdmin.Owned", "KeyAdmin.Expiring", "KeyAdmin.Outdated",
		"Accounts.Get", "Accounts.List", "Users.Get", "Users.ByEmail",
		"Memberships.Get", "Memberships.OfUser", "Memberships.OfAccount",
		"Sessions.Find", "Sessions.Get", "Sessions.List", "Events.List",
		"Fingerprints.List", "Fingerprints.Swap",
		"Invitations.Put", "Invitations.Get", "Invitations.OfAccount", "Invitations.Remove", "Invitations.Prune", // rule 8, too
	}
	var loud []string
	for _, m := range mutators {
		name, _, _ := strings.Cut(m.name, " ")
		loud = append(loud, name)
	}
	var all []string
	for part := range reflect.TypeFor[Backend]().Methods() {
		if part.Name == "Watch" {
			continue
		}
		records := part.Type.Out(0)
		for method := range records.Methods() {
			all = append(all, records.Name()+"."+method.Name)
		}
	}
	for _, name := range all {
		if slices.Contains(silent, name) == slices.Contains(loud, name) {
			t.Errorf("%s: a mutator %v, silent %v; want one of the two", name, slices.Contains(loud, name), slices.Contains(silent, name))
		}
	}
	for _, name := range slices.Concat(silent, loud) {
		if !slices.Contains(all, name) {
			t.Errorf("%s is no method of package store", name)
		}
	}
}

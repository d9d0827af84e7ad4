package memory_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/memory"
)

// journal writes down what a watcher hears and when, since it was made.
type journal struct {
	began time.Time
	lines []string
}

func (j *journal) add(what string) {
	j.lines = append(j.lines, time.Since(j.began).String()+" "+what)
}
func (j *journal) Forget(id string)   { j.add("Forget " + id) }
func (j *journal) Alive(at time.Time) { j.add("Alive " + at.Sub(j.began).String()) }
func (j *journal) Gap()               { j.add("Gap") }

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, memory.Config{})
		j := &journal{began: time.Now()}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- s.Watch(ctx, j) }()

		time.Sleep(1500 * time.Millisecond)
		if err := s.Accounts().Create(ctx, store.Account{ID: "acct_1", Status: authz.Active}); err != nil {
			t.Error(err)
		}
		if err := s.Accounts().SetPlan(ctx, "acct_none", "free", ""); !errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
		time.Sleep(time.Second)
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Watch: %v", err)
		}
		if err := s.Accounts().SetPlan(t.Context(), "acct_1", "free", ""); err != nil {
			t.Error(err)
		}
		want := []string{"0s Gap", "0s Alive 0s", "1s Alive 1s", "1.5s Forget acct_1", "2s Alive 2s"}
		if d := cmp.Diff(want, j.lines); d != "" {
			t.Error(d)
		}
	})
}

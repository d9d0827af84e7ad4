package ratelimit

import (
	"errors"
	"net/http"
	"testing"
)

// case L16: Peek shows what requests spent of the plan, of that alone, and
// spends nothing.
func TestPeek(t *testing.T) {
	now, plan := start, parsed(t, "3-M, 10-D")
	l := newLimiter(t, Config{Plan: constant("s", plan), Own: constant("s", plan), Denied: constant("s", plan)}, &now)
	serve(l, nil)
	serve(l, nil)
	serve(l, free)
	serve(l, denied)
	var d Decision
	for range 5 {
		if err := l.Peek(t.Context(), "s", plan, now, &d); err != nil {
			t.Fatal(err)
		}
		if !d.Allowed || d.States[0].Remaining != 1 || d.States[1].Remaining != 8 {
			t.Fatalf("after two requests: %+v", d)
		}
	}
	if w := serve(l, nil); w.Code != http.StatusNoContent || w.Header().Get("X-RateLimit-Remaining") != "0" {
		t.Errorf("after five peeks: %d, %s remaining", w.Code, w.Header().Get("X-RateLimit-Remaining"))
	}
	if err := l.Peek(t.Context(), "s", plan, now, &d); err != nil || d.Allowed || d.Retry <= 0 {
		t.Errorf("at the limit: %+v, %v", d, err)
	}
	if err := l.Peek(t.Context(), "other", plan, now, &d); err != nil || d.States[1].Remaining != 10 {
		t.Errorf("somebody else: %+v, %v", d, err)
	}
	if err := l.Peek(t.Context(), "s", nil, now, &d); err != nil || !d.Allowed || d.Plan != nil {
		t.Errorf("no plan: %+v, %v", d, err)
	}
}

// While the store is down, Peek tells what the policy counts by.
func TestPeekWithoutTheStore(t *testing.T) {
	now, plan := start, parsed(t, "3-M")
	var d Decision
	for _, c := range []struct {
		failure Failure
		left    int64
		err     error
		counted bool
	}{{Local, 2, nil, true}, {Open, 0, nil, false}, {Closed, 0, ErrUnavailable, false}} {
		l := newLimiter(t, Config{Store: &failing{NewMemory(8), errors.New("down")}, Failure: c.failure, Plan: constant("s", plan)}, &now)
		serve(l, nil)
		err := l.Peek(t.Context(), "s", plan, now, &d)
		if !errors.Is(err, c.err) || (d.Plan != nil) != c.counted || c.counted && d.States[0].Remaining != c.left {
			t.Errorf("%v: %+v, %v", c.failure, d, err)
		}
	}
}

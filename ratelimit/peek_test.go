package ratelimit

import (
	"errors"
	"net/http"
	"testing"
)

// case L16: a take of 0 shows what requests spent, and spends nothing.
func TestPeek(t *testing.T) {
	now, plan := start, parsed(t, "3-M, 10-D")
	l := newLimiter(t, Config{Charge: constant("s", plan)}, &now)
	serve(l, nil)
	serve(l, nil)
	serve(l, costs(-1))
	for range 5 {
		d, err := l.Take(t.Context(), "s", plan, 0, now)
		if err != nil {
			t.Fatal(err)
		}
		if !d.Allowed || d.States[0].Remaining != 1 || d.States[1].Remaining != 8 {
			t.Fatalf("after two requests: %+v", d)
		}
	}
	if w := serve(l, nil); w.Code != http.StatusNoContent || w.Header().Get("X-RateLimit-Remaining") != "0" {
		t.Errorf("after five peeks: %d, %s remaining", w.Code, w.Header().Get("X-RateLimit-Remaining"))
	}
	if d, err := l.Take(t.Context(), "s", plan, 0, now); err != nil || d.Allowed || d.Retry <= 0 {
		t.Errorf("at the limit: %+v, %v", d, err)
	}
	if d, err := l.Take(t.Context(), "other", plan, 0, now); err != nil || d.States[1].Remaining != 10 {
		t.Errorf("somebody else: %+v, %v", d, err)
	}
}

// While the store is down, a peek tells what the policy counts by.
func TestPeekWithoutTheStore(t *testing.T) {
	now, plan := start, parsed(t, "3-M")
	for _, c := range []struct {
		failure OnOutage
		left    int64
		err     error
		counted bool
	}{{Local, 2, nil, true}, {Open, 0, nil, false}, {Closed, 0, ErrUnavailable, false}} {
		l := newLimiter(t, Config{Store: &failing{NewMemory(8), errors.New("down")}, OnOutage: c.failure, Charge: constant("s", plan)}, &now)
		serve(l, nil)
		d, err := l.Take(t.Context(), "s", plan, 0, now)
		if !errors.Is(err, c.err) || (d.Plan != nil) != c.counted || c.counted && d.States[0].Remaining != c.left {
			t.Errorf("%v: %+v, %v", c.failure, d, err)
		}
	}
}

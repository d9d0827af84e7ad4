package apikey_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/store"
)

// case K22: a key that is not used leaves its predecessor the whole of 7 days,
// and for so long there is no other grace.
func TestPredecessorsLiveForAWeek(t *testing.T) {
	const day = 24 * time.Hour
	d := newDoor(t)
	key, old := d.issue()
	next, _, err := d.keys.Rotate(t.Context(), d.op, key.ID, time.Hour, d.now)
	if err != nil {
		t.Fatal(err)
	}
	made := d.now
	for _, at := range []time.Duration{3 * day, 4 * day, 7*day - 1} {
		d.now = made.Add(at)
		if _, err := d.ask(old); err != nil {
			t.Errorf("the old key, after %v: %v", at, err)
		}
		_, _, err := d.keys.Rotate(t.Context(), d.op, next.ID, time.Hour, d.now)
		if before, ok := errors.AsType[*apikey.PredecessorError](err); !errors.Is(err, store.ErrConflict) || !ok || before.Predecessor != key.ID {
			t.Errorf("rotated with a grace after %v: got %v, want ErrConflict that names %s", at, err, key.ID)
		}
	}
	d.now = made.Add(7 * day)
	if _, err := d.ask(old); !errors.Is(err, authn.ErrExpired) {
		t.Errorf("the old key after a week: %v", err)
	}
	if _, _, err := d.keys.Rotate(t.Context(), d.op, next.ID, time.Hour, d.now); err != nil {
		t.Errorf("rotated with a grace after a week: %v", err)
	}
}

// A grace is what stores keep, whole microseconds, and one that is asked for is
// never none: the old key lives until the new one has been used.
func TestShortGrace(t *testing.T) {
	for _, tt := range []struct{ grace, want time.Duration }{
		{1, time.Microsecond}, {999, time.Microsecond}, {1999, time.Microsecond}, {2001, 2 * time.Microsecond},
	} {
		d := newDoor(t)
		key, old := d.issue()
		next, token, err := d.keys.Rotate(t.Context(), d.op, key.ID, tt.grace, d.now)
		if err != nil || next.Grace != tt.want {
			t.Fatalf("a grace of %v: %v, %v, want %v", tt.grace, next.Grace, err, tt.want)
		}
		d.now = d.now.Add(time.Hour)
		if _, err := d.ask(old); err != nil {
			t.Errorf("a grace of %v: the old key, before the new one is used: %v", tt.grace, err)
		}
		if _, err := d.ask(token.Reveal()); err != nil {
			t.Fatal(err)
		}
		d.now = d.now.Add(tt.want)
		if _, err := d.ask(old); !errors.Is(err, authn.ErrExpired) {
			t.Errorf("a grace of %v: the old key, after it: %v", tt.grace, err)
		}
	}
}

// case K11: a grace that begins here reaches the old key that is remembered here,
// without a stream.
func TestGraceHereInvalidates(t *testing.T) {
	d := newDoor(t, func(k *apikey.Config, _ *authn.Config) { k.Lease = 8 * 24 * time.Hour })
	key, old := d.issue()
	_, token, err := d.keys.Rotate(t.Context(), d.op, key.ID, time.Minute, d.now)
	if err != nil {
		t.Fatal(err)
	}
	for _, known := range []string{old, token.Reveal()} { // in this order: the second is the first use
		if _, err := d.ask(known); err != nil {
			t.Fatal(err)
		}
	}
	d.now = d.now.Add(time.Minute)
	if _, err := d.ask(old); !errors.Is(err, authn.ErrExpired) {
		t.Errorf("at the end of the grace: %v, want ErrExpired", err)
	}
}

// case T2: while the store cannot write, every use of a new key is a first use.
// Together they log at most ten lines a second.
func TestFirstUseLinesAreLimited(t *testing.T) {
	var out bytes.Buffer
	d := newDoor(t, func(k *apikey.Config, _ *authn.Config) { k.Logger = slog.New(slog.NewTextHandler(&out, nil)) })
	key, _ := d.issue()
	_, next, err := d.keys.Rotate(t.Context(), d.op, key.ID, time.Hour, d.now)
	if err != nil {
		t.Fatal(err)
	}
	readOnly := errors.New("read-only")
	d.spy.readOnly.Store(&readOnly)
	for range 100 {
		if _, err := d.ask(next.Reveal()); err != nil {
			t.Fatal(err)
		}
	}
	d.now = d.now.Add(time.Second)
	if _, err := d.ask(next.Reveal()); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(out.String(), "grace not begun"); got != 11 || !strings.Contains(out.String(), "dropped=90") {
		t.Errorf("got %d lines of 100 uses in a second and one in the next, want 11, the last with dropped=90:\n%s", got, &out)
	}
}

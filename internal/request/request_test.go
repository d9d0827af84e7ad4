package request

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"
)

func TestOneState(t *testing.T) {
	noon := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	reads := 0
	clock := func() time.Time { reads++; return noon }
	type key struct{}
	plain := httptest.NewRequest("GET", "/", nil).WithContext(context.WithValue(context.Background(), key{}, "kept"))
	if From(plain.Context()) != nil {
		t.Fatal("a state before anybody made one")
	}
	r, s := Attach(plain)
	if !s.Now.IsZero() {
		t.Error("Attach read a clock")
	}
	again, same := Ensure(r, clock)
	if again != r || same != s || From(r.Context()) != s || r.Context().Value(key{}) != "kept" {
		t.Error("a request has one state, and keeps what its context held")
	}
	Ensure(r, clock)
	if reads != 1 || !s.Now.Equal(noon) {
		t.Errorf("the clock was read %d times, %v", reads, s.Now)
	}
	// A context derived from it ends with it, without a goroutine in between.
	ctx, cancel := context.WithCancel(context.Background())
	r, _ = Attach(plain.WithContext(ctx))
	child, stop := context.WithCancel(r.Context())
	defer stop()
	cancel()
	if child.Err() == nil {
		t.Error("the end of the request did not reach its children")
	}
}

func TestMark(t *testing.T) {
	var s State
	owners := make([]*int, 6)
	for i := range owners {
		owners[i] = new(int)
		if !s.Mark(owners[i]) {
			t.Errorf("owner %d is new", i)
		}
	}
	for i, o := range owners[:4] {
		if s.Mark(o) {
			t.Errorf("owner %d was forgotten", i)
		}
	}
}

// Every request allocates one: a field more, and it is of the next size class
// of the allocator, 384 bytes.
func TestStateIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(State{}); n > 352 {
		t.Errorf("%d bytes, over 352", n)
	}
}

type witness []string

func (w *witness) Admitted(endpoint string, later []string) {
	*w = append(*w, fmt.Sprint("admitted ", endpoint, later))
}

func (w *witness) Checked(kind string) { *w = append(*w, "checked "+kind) }

func TestWatch(t *testing.T) {
	type key struct{}
	r, s := Attach(httptest.NewRequest("GET", "/", nil).WithContext(context.WithValue(context.Background(), key{}, "kept")))
	if s.Watcher() != nil {
		t.Error("somebody watches unasked")
	}
	var w witness
	s.Watch(&w)
	s.Watcher().Admitted("a", []string{"b"})
	From(r.Context()).Watcher().Checked("b")
	if want := (witness{"admitted a[b]", "checked b"}); !slices.Equal(w, want) || r.Context().Value(key{}) != "kept" {
		t.Errorf("%q, want %q", w, want)
	}
}

// case T1: printing a context does not print what the request carried.
func TestStatePrintsNothing(t *testing.T) {
	_, s := Attach(&http.Request{})
	s.Credential = "Bearer secret"
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if text := fmt.Sprintf(verb, s); strings.Contains(text, "secret") {
			t.Errorf("%s prints %s", verb, text)
		}
	}
	var b strings.Builder
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "ctx", s, "in", map[string]any{"ctx": s})
	if strings.Contains(b.String(), "secret") {
		t.Errorf("slog prints %s", b.String())
	}
}

func TestRemoteAddr(t *testing.T) {
	for remote, want := range map[string]netip.Addr{
		"192.0.2.1:80":          netip.MustParseAddr("192.0.2.1"),
		"[::ffff:192.0.2.1]:80": netip.MustParseAddr("192.0.2.1"),
		"[2001:db8::1%eth0]:80": netip.MustParseAddr("2001:db8::1"),
		"@":                     {},
		"":                      {},
		"192.0.2.1":             {},
		"example.com:80":        {},
	} {
		if got := RemoteAddr(&http.Request{RemoteAddr: remote}); got != want {
			t.Errorf("%q: %v, want %v", remote, got, want)
		}
	}
}

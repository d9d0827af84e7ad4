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

// The state of one request is not taken for that of another, which is made on
// its context.
func TestOf(t *testing.T) {
	for _, c := range []struct {
		name string
		next func(r *http.Request) *http.Request
		same bool
	}{
		{"passed on", func(r *http.Request) *http.Request { return r }, true},
		{"with a context", func(r *http.Request) *http.Request { return r.WithContext(context.WithoutCancel(r.Context())) }, true},
		{"with another body", func(r *http.Request) *http.Request { r.Body = http.MaxBytesReader(nil, r.Body, 1); return r }, true},
		{"with a path value", func(r *http.Request) *http.Request { r.SetPathValue("id", "1"); return r }, true},
		{"new", func(r *http.Request) *http.Request {
			return httptest.NewRequest("POST", "/a?b=c", nil).WithContext(r.Context())
		}, false},
		{"cloned", func(r *http.Request) *http.Request { return r.Clone(r.Context()) }, false},
		{"another URL", func(r *http.Request) *http.Request { u := *r.URL; r.URL = &u; return r }, false},
		{"the path in place", func(r *http.Request) *http.Request { r.URL.Path = "/b"; return r }, false},
		{"the query in place", func(r *http.Request) *http.Request { r.URL.RawQuery = ""; return r }, false},
		{"another method", func(r *http.Request) *http.Request { r.Method = "GET"; return r }, false},
		{"another host", func(r *http.Request) *http.Request { r.Host = "b.example"; return r }, false},
		{"another header", func(r *http.Request) *http.Request { r.Header = r.Header.Clone(); return r }, false},
		{"no URL", func(r *http.Request) *http.Request { r.URL = nil; return r }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, s := Attach(httptest.NewRequest("POST", "/a?b=c", nil))
			if next := c.next(r); From(next.Context()) != s || s.Of(next) != c.same {
				t.Errorf("the same request: %v, want %v", s.Of(next), c.same)
			}
		})
	}
	if (*State)(nil).Of(httptest.NewRequest("GET", "/", nil)) {
		t.Error("no state is that of a request")
	}
}

// A second authentication or decision on one request has a state of its own.
func TestOneWriter(t *testing.T) {
	var a, b Owner
	same := func(is bool) func(*State) bool { return func(*State) bool { return is } }
	r, s := Attach(httptest.NewRequest("GET", "/", nil))
	r, first, todo := Authenticate(r, &a, nil, same(true))
	if first != s || !todo {
		t.Fatal("the first authentication has the state that is there")
	}
	first.Principal = "a"
	first.Authenticated(&a)
	if _, again, todo := Authenticate(r, &a, nil, same(true)); again != s || todo {
		t.Error("the same credential is authenticated twice")
	}
	for _, owner := range []*Owner{&a, &b} {
		if _, other, todo := Authenticate(r, owner, nil, same(false)); other == s || !todo || other.Principal != nil {
			t.Error("a second authentication writes to the state of the first")
		}
	}
	if _, matched := Match(r, nil); matched != s || s.Principal != "a" {
		t.Error("the first route has the state that is there")
	}
	if _, other := Match(r, nil); other == s || other.Principal != nil {
		t.Error("a second route has the state of the first, or its principal")
	}
	if _, other := Protect(r); other == s || other.Principal != "a" {
		t.Error("a second need has the state of the first, or no principal")
	}
}

func TestMark(t *testing.T) {
	var s State
	owners := make([]*Owner, 6)
	for i := range owners {
		owners[i] = new(Owner)
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

func (w *witness) Admitted(endpoint string, later []string) Watcher {
	*w = append(*w, fmt.Sprint("admitted ", endpoint, later))
	return w
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

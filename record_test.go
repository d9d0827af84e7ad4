package tollgate_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/memory"
)

// An event is stored with an id and a time and without keys, also for a client that has
// gone, and Config.OnEvent hears of what is stored. Recorded twice it is stored once.
// case T1
func TestRecord(t *testing.T) {
	now := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	var heard []store.Event
	gate := newGate(t, func(c *tollgate.Config) {
		c.Now = func() time.Time { return now }
		c.OnEvent = func(_ context.Context, e store.Event) error { heard = append(heard, e); return nil }
	})
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range 2 {
		e := store.Event{ID: "evt_1", Account: "acme", Kind: "key.revoked", Subject: "key_1", Note: "found acme_live_0123456789abcdefghij\x00\xff"}
		if err := gate.Record(gone, e); err != nil {
			t.Fatal(err)
		}
	}
	if err := gate.Record(t.Context(), store.Event{Account: "acme", Kind: "key.created"}); err != nil {
		t.Fatal(err)
	}
	stored := must(gate.Config().Store.Events().List(t.Context(), "acme", "", 10))
	if len(stored) != 2 || len(heard) != 3 {
		t.Fatalf("got %d events and heard of %d, want 2 and 3", len(stored), len(heard))
	}
	if got, want := heard[0].Note, "found acme_live_…"; got != want || !heard[0].At.Equal(now) {
		t.Errorf("got the note %q at %v, want %q at %v", got, heard[0].At, want, now)
	}
	if heard[2].ID == "" {
		t.Error("got an event without an id")
	}
}

// An event that cannot be stored is whole in the log. case T12
func TestRecordFails(t *testing.T) {
	var log bytes.Buffer
	gate := newGate(t, func(c *tollgate.Config) {
		c.Logger = slog.New(slog.NewJSONHandler(&log, nil))
		c.OnEvent = func(context.Context, store.Event) error { return errors.New("no room") }
	})
	err := gate.Record(t.Context(), store.Event{Account: "acme", Actor: "user_1", Kind: "key.revoked", Subject: "key_1", Address: "192.0.2.1", Note: "why"})
	if err == nil {
		t.Error("got no error")
	}
	for _, want := range []string{"no room", "acme", "user_1", "key.revoked", "key_1", "192.0.2.1", "why", "evt_"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("got %s, want %s in it", &log, want)
		}
	}
}

// Run does the work that was added to the gate, until it ends.
func TestBackground(t *testing.T) {
	gate := newGate(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	began := make(chan struct{})
	gate.Background(func(ctx context.Context) error {
		close(began)
		<-ctx.Done()
		return ctx.Err()
	})
	ended := make(chan error)
	go func() { ended <- gate.Run(ctx) }()
	<-began
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that the context was cancelled", err)
	}
}

// The roles of members are those that may do something, and one that may do nothing is
// a mistake.
func TestRoleNames(t *testing.T) {
	grants := func(roles ...string) func(store.Membership) []authz.Grant {
		return func(m store.Membership) []authz.Grant {
			for _, role := range roles {
				if m.Role == role {
					return []authz.Grant{{Version: authz.Version}}
				}
			}
			return nil
		}
	}
	tests := []struct {
		name   string
		config tollgate.Config
		want   string // the names, or the mistake
	}{
		{"default", tollgate.Config{}, "owner admin editor viewer"},
		{"default without a read-only permission", tollgate.Config{ReadOnly: []string{}}, "owner admin editor"},
		{"default with grants of one's own", tollgate.Config{Roles: grants("owner", "clerk")}, "owner"},
		{"given", tollgate.Config{Roles: grants("boss", "clerk"), RoleNames: []string{"boss", "clerk"}}, "boss clerk"},
		{"twice", tollgate.Config{RoleNames: []string{"owner", "owner"}}, `"owner" twice`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newGate(t, nil).Config()
			c.Store, c.Roles, c.RoleNames = must(memory.New(memory.Config{})), tt.config.Roles, tt.config.RoleNames
			if tt.config.ReadOnly != nil {
				c.ReadOnly = tt.config.ReadOnly
			}
			gate, err := tollgate.New(c)
			got := ""
			if err != nil {
				got = err.Error()
			} else {
				got = strings.Join(gate.Config().RoleNames, " ")
			}
			if !strings.Contains(got, tt.want) || err == nil && got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// Config.Middleware runs behind the gate and knows the caller.
func TestMiddleware(t *testing.T) {
	var got []string
	gate := newGate(t, func(c *tollgate.Config) {
		c.User = func(*http.Request) (*tollgate.User, error) {
			return &tollgate.User{ID: "user_1", Account: "acme", Role: "viewer"}, nil
		}
		c.Middleware = func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				p, _ := authn.FromContext(r.Context())
				got = append(got, r.Pattern+" "+p.User)
				next.ServeHTTP(w, r)
			})
		}
	})
	gate.Handle("GET /one", authz.Need{ID: "one", Permission: "read"}, http.NotFoundHandler())
	gate.Handle("GET /two", authz.Need{ID: "two", Permission: "admin"}, http.NotFoundHandler())
	gate.Public("GET /public", "a test", http.NotFoundHandler())
	for _, path := range []string{"/one", "/two", "/public"} {
		gate.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", path, nil))
	}
	if want := "GET /one user_1,GET /public "; strings.Join(got, ",") != want { // the viewer is denied /two
		t.Errorf("got %q, want %q", strings.Join(got, ","), want)
	}
}

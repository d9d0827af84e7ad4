package benchmarks

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"

	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/adapters/chimw"
	"medtwin.ai/tollgate/adapters/ginmw"
	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
	"medtwin.ai/tollgate/store/memory"
)

var projectNeed = authz.Need{ID: "projects.get", Permission: "read", From: map[string]string{"projects": "project"}}

// routers serve GET /v1/projects/{project} with h: bare, and behind the gate.
var routers = []struct {
	name    string
	bare    func(h http.Handler) http.Handler
	guarded func(g *tollgate.Gate, h http.Handler) http.Handler
}{
	{"ServeMux", func(h http.Handler) http.Handler {
		mux := http.NewServeMux()
		mux.Handle("GET /v1/projects/{project}", h)
		return mux
	}, func(g *tollgate.Gate, h http.Handler) http.Handler {
		g.Handle("GET /v1/projects/{project}", projectNeed, h)
		return g
	}},
	{"chi", func(h http.Handler) http.Handler {
		r := chi.NewRouter()
		r.Method("GET", "/v1/projects/{project}", h)
		return r
	}, func(g *tollgate.Gate, h http.Handler) http.Handler {
		r := chi.NewRouter()
		guard := chimw.New(g, r)
		r.With(g.Require(projectNeed)).Method("GET", "/v1/projects/{project}", h)
		return tollgate.Must(guard.Start())
	}},
	{"gin", func(h http.Handler) http.Handler {
		e := gin.New()
		e.GET("/v1/projects/:project", ginHandler(h))
		return e
	}, func(g *tollgate.Gate, h http.Handler) http.Handler {
		e := gin.New()
		guard := ginmw.New(g, e)
		e.GET("/v1/projects/:project", guard.Handle(projectNeed, ginHandler(h)))
		return tollgate.Must(guard.Start())
	}},
	{"echo4", bareEcho4, guardedEcho4},
	{"echo5", bareEcho5, guardedEcho5},
}

func ginHandler(h http.Handler) gin.HandlerFunc {
	return func(c *gin.Context) { h.ServeHTTP(c.Writer, c.Request) }
}

// newGate returns a gate and a key that may read.
func newGate(tb testing.TB) (*tollgate.Gate, string) {
	tb.Helper()
	gin.SetMode(gin.ReleaseMode)
	db := tollgate.Must(memory.New(memory.Config{}))
	g := tollgate.Must(tollgate.New(tollgate.Config{
		Store: db, Secrets: tollgate.Must(keyfmt.NewKeyring(keyfmt.GeneratePepper("p1"))), Prefix: "acme",
		Permissions: []string{"read", "write"}, ReadOnly: []string{"read"}, Resources: []string{"projects"},
		Plans: map[string]string{"roomy": "4000000000-M, 4000000000-D"}, Logger: slog.New(slog.DiscardHandler),
	}))
	now := time.Now()
	if err := db.Accounts().Create(tb.Context(), store.Account{ID: "acct_1", Status: authz.Active, Created: now}); err != nil {
		tb.Fatal(err)
	}
	_, token, err := g.Keys().Issue(tb.Context(), authn.Operator("acct_1"), apikey.Spec{Name: "k", Environment: "live", Grant: g.Model().Everything()}, now)
	if err != nil {
		tb.Fatal(err)
	}
	return g, token.Reveal()
}

// What an adapter costs is what guarded takes more than bare, less what that is on
// ServeMux.
func BenchmarkRouters(b *testing.B) {
	h := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	for _, router := range routers {
		g, token := newGate(b)
		for _, way := range []struct {
			name string
			h    http.Handler
		}{{"bare", router.bare(h)}, {"guarded", router.guarded(g, h)}} {
			b.Run(router.name+"/"+way.name, func(b *testing.B) {
				r := httptest.NewRequest("GET", "/v1/projects/p1", nil)
				r.Header.Set("Authorization", "Bearer "+token)
				w := &headers{http.Header{}}
				b.ReportAllocs()
				for b.Loop() {
					clear(w.header)
					way.h.ServeHTTP(w, r)
				}
			})
		}
	}
}

// headers is a ResponseWriter that keeps nothing but the header.
type headers struct{ header http.Header }

func (h *headers) Header() http.Header         { return h.header }
func (h *headers) Write(b []byte) (int, error) { return len(b), nil }
func (h *headers) WriteHeader(int)             {}

// A WebSocket is opened behind the gate on every router, and without a key on none.
func TestWebSocket(t *testing.T) {
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Errorf("accept: %v", err)
			return
		}
		defer c.CloseNow()
		kind, message, err := c.Read(r.Context())
		if err == nil {
			err = c.Write(r.Context(), kind, append(message, " for "+caller(r)...))
		}
		if err != nil {
			t.Errorf("the handler: %v", err)
		}
	})
	for _, router := range routers {
		t.Run(router.name, func(t *testing.T) {
			g, token := newGate(t)
			server := httptest.NewServer(router.guarded(g, echo))
			defer server.Close()
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			if _, response, err := websocket.Dial(ctx, server.URL+"/v1/projects/p1", nil); err == nil || response == nil || response.StatusCode != 401 {
				t.Fatalf("without a key: got %v %v, want 401", response, err)
			} else if body, _ := io.ReadAll(response.Body); len(body) == 0 {
				t.Errorf("the refusal has no body")
			}
			c, _, err := websocket.Dial(ctx, server.URL+"/v1/projects/p1", &websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer " + token}}})
			if err != nil {
				t.Fatal(err)
			}
			defer c.CloseNow()
			if err := c.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
				t.Fatal(err)
			}
			if _, got, err := c.Read(ctx); err != nil || string(got) != "hello for acct_1" {
				t.Errorf("got %q %v", got, err)
			}
		})
	}
}

func caller(r *http.Request) string {
	p, _ := authn.FromContext(r.Context())
	return p.Account
}

package ginmw_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/adapters/ginmw"
	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/problem"
	"medtwin.ai/tollgate/routertest"
	"medtwin.ai/tollgate/store/memory"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.ReleaseMode)
	gin.DefaultErrorWriter = io.Discard // where Recovery writes the panics of the suite
	os.Exit(m.Run())
}

// router is a gin engine for the suite.
type router struct {
	*ginmw.Router
	engine *gin.Engine
}

func newRouter(gate *tollgate.Gate) routertest.Router {
	engine := gin.New()
	engine.HandleMethodNotAllowed = true
	engine.Use(gin.Recovery())
	return router{ginmw.New(gate, engine), engine}
}

// colons puts a pattern in gin's notation.
func colons(pattern string) string {
	return strings.NewReplacer("{", ":", "}", "").Replace(pattern)
}

func (r router) Handle(method, pattern string, need authz.Need, h routertest.Handler) {
	r.engine.Handle(method, colons(pattern), r.Router.Handle(need, handler(h)))
}

func (r router) Add(method, pattern string, h routertest.Handler) {
	r.engine.Handle(method, colons(pattern), handler(h))
}

func handler(h routertest.Handler) gin.HandlerFunc {
	return func(c *gin.Context) { h(c.Writer, c.Request, c.Param) }
}

// Cases A11, A12, A13, A16, S18, T1.
func TestBehaviour(t *testing.T) { routertest.Run(t, newRouter) }

func newGate(t *testing.T) *tollgate.Gate {
	t.Helper()
	db := tollgate.Must(memory.New(memory.Config{}))
	return tollgate.Must(tollgate.New(tollgate.Config{
		Store: db, Secrets: tollgate.Must(keyfmt.NewKeyring(keyfmt.GeneratePepper("p1"))),
		Prefix: "acme", Permissions: []string{"read", "write"}, ReadOnly: []string{"read"},
		User: func(r *http.Request) (*tollgate.User, error) {
			if r.Header.Get("X-User") == "" {
				return nil, nil
			}
			return &tollgate.User{ID: r.Header.Get("X-User"), Account: "acct_1", Role: "viewer"}, nil
		},
	}))
}

func serve(h http.Handler, method, path, user string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	if user != "" {
		r.Header.Set("X-User", user)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// Start sees the routes of groups and static files, and a handler finds the caller on
// gin's own context.
func TestWalk(t *testing.T) {
	whole := func(without string) (*gin.Engine, error) {
		engine := gin.New()
		guard := ginmw.New(newGate(t), engine)
		add := func(routes gin.IRoutes, path, id string) {
			h := func(c *gin.Context) {
				p, _ := authn.FromContext(c)
				c.String(http.StatusOK, p.User)
			}
			if id != without {
				h = guard.Handle(authz.Need{ID: id, Permission: "read"}, h)
			}
			routes.GET(path, h)
		}
		add(engine, "/plain", "plain")
		add(engine.Group("/v1").Group("/deep"), "/:id", "grouped")
		engine.Static("/assets", t.TempDir())
		engine.NoRoute(func(c *gin.Context) { c.String(http.StatusOK, "a page that was forgotten") })
		if without != "static" {
			guard.Public("", "/assets/*filepath", "static files")
		}
		_, err := guard.Start()
		return engine, err
	}
	for _, tt := range []struct{ name, pattern string }{
		{"plain", "GET /plain"}, {"grouped", "GET /v1/deep/:id"}, {"static", "GET /assets/*filepath"}, {"static", "HEAD /assets/*filepath"},
	} {
		t.Run("without "+tt.name, func(t *testing.T) {
			if _, err := whole(tt.name); err == nil || !strings.Contains(err.Error(), tt.pattern+": it requires nothing of its caller") {
				t.Errorf("got the error %v, want one that names %s", err, tt.pattern)
			}
		})
	}
	t.Run("whole", func(t *testing.T) {
		engine, err := whole("")
		if err != nil {
			t.Fatal(err)
		}
		if w := serve(engine, "GET", "/v1/deep/1", ""); w.Code != 401 {
			t.Errorf("no credential: got %d", w.Code)
		}
		if w := serve(engine, "GET", "/v1/deep/1", "ann"); w.Code != 200 || w.Body.String() != "ann" {
			t.Errorf("got %d %q, want the user from gin's context", w.Code, w.Body)
		}
		if w := serve(engine, "GET", "/nowhere", ""); w.Code != 404 {
			t.Errorf("NoRoute, which nobody has declared: got %d %q", w.Code, w.Body)
		}
	})
}

// A refusal through gin's own error handling has the same status and fields.
func TestFrameworkErrors(t *testing.T) {
	var logged []error
	engine := gin.New()
	engine.Use(func(c *gin.Context) {
		c.Next()
		for _, e := range c.Errors {
			logged = append(logged, e.Err)
		}
	})
	guard := ginmw.New(newGate(t), engine)
	guard.FrameworkErrors = true
	engine.POST("/x", guard.Handle(authz.Need{ID: "x", Permission: "write"}, func(c *gin.Context) { c.Status(http.StatusOK) }))
	if _, err := guard.Start(); err != nil {
		t.Fatal(err)
	}
	w := serve(engine, "POST", "/x", "ann")
	var body struct{ Code string }
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || w.Code != 403 || body.Code != "missing_permission" || w.Header().Get("X-Required-Permission") != "write" {
		t.Errorf("got %d %v %s", w.Code, w.Header(), w.Body)
	}
	if len(logged) != 1 {
		t.Fatalf("gin has the errors %v, want one", logged)
	}
	if p, ok := logged[0].(*problem.Problem); !ok || p.StatusCode() != 403 {
		t.Errorf("gin has the error %v, want the problem", logged[0])
	}
}

// gin.WrapH around a middleware that refuses does not keep gin from running the handler.
// This is the wrong way; Handle is the right one.
func TestWrapHRunsTheHandlerAnyway(t *testing.T) {
	ran := false
	engine := gin.New()
	gate := newGate(t)
	require := gate.Require(authz.Need{ID: "x", Permission: "read"})
	engine.GET("/x", gin.WrapH(require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))), func(*gin.Context) { ran = true })
	if w := serve(engine, "GET", "/x", ""); w.Code != 401 || !ran {
		t.Errorf("got %d, and the handler ran: %v; if gin stops now, correct the package's documentation", w.Code, ran)
	}
}

// A need that was declared with another Router is not one of this.
func TestNeedOfAnotherRouter(t *testing.T) {
	gate, engine := newGate(t), gin.New()
	guard, other := ginmw.New(gate, engine), ginmw.New(gate, gin.New())
	engine.GET("/x", other.Handle(authz.Need{ID: "x", Permission: "read"}, func(*gin.Context) {}))
	if _, err := guard.Start(); err == nil || !strings.Contains(err.Error(), "declared with another adapter") {
		t.Errorf("got the error %v", err)
	}
}

// New refuses an engine with routes that its middleware would miss.
func TestNewAfterRoutes(t *testing.T) {
	engine := gin.New()
	engine.GET("/early", func(*gin.Context) {})
	defer func() {
		if v, _ := recover().(string); !strings.Contains(v, "call New before the first route") {
			t.Errorf("got %q", v)
		}
	}()
	ginmw.New(newGate(t), engine)
}

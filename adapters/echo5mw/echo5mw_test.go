package echo5mw_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/labstack/echo/v5"
	"github.com/labstack/echo/v5/middleware"
	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/adapters/echo5mw"
	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/routertest"
	"medtwin.ai/tollgate/store/memory"
)

// router is an Echo instance for the suite.
type router struct {
	*echo5mw.Router
	echo *echo.Echo
}

func newRouter(gate *tollgate.Gate) routertest.Router {
	e := newEcho()
	e.Use(middleware.Recover())
	return router{echo5mw.New(gate, e), e}
}

// colons puts a pattern in Echo's notation.
func colons(pattern string) string {
	return strings.NewReplacer("{", ":", "}", "").Replace(pattern)
}

func (r router) Handle(method, pattern string, need authz.Need, h routertest.Handler) {
	r.echo.Add(method, colons(pattern), handler(h), r.Require(need))
}

func (r router) Add(method, pattern string, h routertest.Handler) {
	r.echo.Add(method, colons(pattern), handler(h))
}

func handler(h routertest.Handler) echo.HandlerFunc {
	return func(c *echo.Context) error {
		h(c.Response(), c.Request(), c.Param)
		return nil
	}
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

// Start sees the routes of groups, static files, Any and RouteNotFound.
func TestWalk(t *testing.T) {
	whole := func(without string) (*echo.Echo, error) {
		e := newEcho()
		guard := echo5mw.New(newGate(t), e)
		h := func(c *echo.Context) error {
			p, _ := authn.FromContext(c.Request().Context())
			return c.String(http.StatusOK, p.User)
		}
		require := func(id string) []echo.MiddlewareFunc {
			if id == without {
				return nil
			}
			return []echo.MiddlewareFunc{guard.Require(authz.Need{ID: id, Permission: "read", ReadOnly: true})}
		}
		e.GET("/plain", h, require("plain")...)
		e.Group("/v1").Group("/deep").GET("/:id", h, require("nested")...)
		e.Group("/group", require("group")...).GET("/:id", h)
		logged := e.Group("/logged", func(next echo.HandlerFunc) echo.HandlerFunc { return next }) // has routes of Echo's own
		logged.GET("/:id", h, require("logged")...)
		e.Group("/rooted", require("rooted")...).GET("", h)
		e.Any("/any", h, require("any")...)
		e.Static("/assets", t.TempDir())
		e.RouteNotFound("/pages/*", h)
		if without != "static" {
			guard.Public("", "/assets*", "static files")
		}
		if without != "not found" {
			guard.Public("", "/pages/*", "a page that says 404")
		}
		_, err := guard.Start()
		return e, err
	}
	for _, tt := range []struct{ name, pattern string }{
		{"plain", "GET /plain"}, {"nested", "GET /v1/deep/:id"}, {"group", "GET /group/:id"}, {"logged", "GET /logged/:id"}, {"rooted", "GET /rooted"}, {"any", "/any"}, {"static", "/assets*"}, {"not found", "/pages/*"},
	} {
		t.Run("without "+tt.name, func(t *testing.T) {
			if _, err := whole(tt.name); err == nil || !strings.Contains(err.Error(), tt.pattern+": it requires nothing of its caller") {
				t.Errorf("got the error %v, want one that names %s", err, tt.pattern)
			}
		})
	}
	t.Run("whole", func(t *testing.T) {
		e, err := whole("")
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/plain", "/v1/deep/1", "/group/1", "/logged/1", "/rooted", "/any"} {
			if w := serve(e, "GET", path, ""); w.Code != 401 {
				t.Errorf("%s without a credential: got %d", path, w.Code)
			}
			if w := serve(e, "GET", path, "ann"); w.Code != 200 || w.Body.String() != "ann" {
				t.Errorf("%s: got %d %q, want the user from the request's context", path, w.Code, w.Body)
			}
		}
		for _, path := range []string{"/logged", "/group", "/nowhere"} {
			if w := serve(e, "GET", path, "ann"); w.Code != 404 || !strings.Contains(w.Body.String(), "request_id") {
				t.Errorf("%s: got %d %s, want the gate's 404", path, w.Code, w.Body)
			}
		}
		if w := serve(e, "GET", "/pages/none", ""); w.Code != 200 {
			t.Errorf("RouteNotFound: got %d", w.Code)
		}
	})
}

// A refusal through Echo's own error handler has the same status and fields.
func TestFrameworkErrors(t *testing.T) {
	e := newEcho()
	guard := echo5mw.New(newGate(t), e)
	guard.FrameworkErrors = true
	e.POST("/x", func(c *echo.Context) error { return c.NoContent(http.StatusOK) }, guard.Require(authz.Need{ID: "x", Permission: "write"}))
	if _, err := guard.Start(); err != nil {
		t.Fatal(err)
	}
	handled := 0
	own := e.HTTPErrorHandler
	e.HTTPErrorHandler = func(c *echo.Context, err error) { handled++; own(c, err) }
	w := serve(e, "POST", "/x", "ann")
	var body struct{ Code string }
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || w.Code != 403 || body.Code != "missing_permission" || w.Header().Get("X-Required-Permission") != "write" {
		t.Errorf("got %d %v %s", w.Code, w.Header(), w.Body)
	}
	if handled != 1 {
		t.Errorf("Echo's handler had %d errors, want 1", handled)
	}
}

// A route of before New counts as one without a need.
func TestNewAfterRoutes(t *testing.T) {
	e := newEcho()
	e.GET("/early", func(c *echo.Context) error { return c.NoContent(http.StatusOK) })
	if _, err := echo5mw.New(newGate(t), e).Start(); err == nil || !strings.Contains(err.Error(), "GET /early: it requires nothing of its caller") {
		t.Errorf("got the error %v", err)
	}
}

// A route that is added after the start is not served if it replaces one that was checked.
func TestReplaced(t *testing.T) {
	e := newEcho()
	guard := echo5mw.New(newGate(t), e)
	h := func(c *echo.Context) error { return c.NoContent(http.StatusOK) }
	e.GET("/x", h, guard.Require(authz.Need{ID: "x", Permission: "read"}))
	e.Group("/logged", func(next echo.HandlerFunc) echo.HandlerFunc { return next })
	guard.Unmatched("a test")
	if _, err := guard.Start(); err != nil {
		t.Fatal(err)
	}
	if w := serve(e, "GET", "/x", "ann"); w.Code != 200 {
		t.Errorf("before: got %d", w.Code)
	}
	e.GET("/x", h)
	e.GET("/logged/*", h) // where the group has a route of Echo's own
	if w := serve(e, "GET", "/logged/x", ""); w.Code != 404 {
		t.Errorf("in a group: got %d, want 404", w.Code)
	}
	for _, user := range []string{"", "ann"} {
		if w := serve(e, "GET", "/x", user); w.Code != 404 {
			t.Errorf("after, as %q: got %d, want 404", user, w.Code)
		}
	}
}

func newEcho() *echo.Echo {
	e := echo.New()
	e.Logger = slog.New(slog.DiscardHandler) // which logs the panics of the suite
	return e
}

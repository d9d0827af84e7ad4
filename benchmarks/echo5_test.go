package benchmarks

import (
	"net/http"

	"github.com/labstack/echo/v5"

	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/adapters/echo5mw"
)

func bareEcho5(h http.Handler) http.Handler {
	e := echo.New()
	e.GET("/v1/projects/:project", echo5Handler(h))
	return e
}

func guardedEcho5(g *tollgate.Gate, h http.Handler) http.Handler {
	e := echo.New()
	guard := echo5mw.New(g, e)
	e.GET("/v1/projects/:project", echo5Handler(h), guard.Require(projectNeed))
	return tollgate.Must(guard.Start())
}

func echo5Handler(h http.Handler) echo.HandlerFunc {
	return func(c *echo.Context) error {
		h.ServeHTTP(c.Response(), c.Request())
		return nil
	}
}

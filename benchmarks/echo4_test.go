package benchmarks

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/adapters/echomw"
)

func bareEcho4(h http.Handler) http.Handler {
	e := echo.New()
	e.GET("/v1/projects/:project", echo4Handler(h))
	return e
}

func guardedEcho4(g *tollgate.Gate, h http.Handler) http.Handler {
	e := echo.New()
	guard := echomw.New(g, e)
	e.GET("/v1/projects/:project", echo4Handler(h), guard.Require(projectNeed))
	return tollgate.Must(guard.Start())
}

func echo4Handler(h http.Handler) echo.HandlerFunc {
	return func(c echo.Context) error {
		h.ServeHTTP(c.Response(), c.Request())
		return nil
	}
}

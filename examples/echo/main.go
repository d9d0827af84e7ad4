// Command echo is an application with the Echo framework, version 5.
package main

import (
	"log"
	"net/http"

	"github.com/labstack/echo/v5"
	"github.com/labstack/echo/v5/middleware"
	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/adapters/echo5mw"
	"medtwin.ai/tollgate/adapters/sqlitestore"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
)

func main() {
	gate := tollgate.Must(tollgate.New(tollgate.Config{
		Store: tollgate.Must(sqlitestore.Open(sqlitestore.Config{Path: "acme.db"})), Secrets: tollgate.Must(keyfmt.OpenKeyring("acme.secrets")),
		Prefix: "acme", Permissions: []string{"read", "write"}, ReadOnly: []string{"read"}, Resources: []string{"projects"}, Plans: map[string]string{"standard": "60-M"},
	}))
	e := echo.New()
	e.Use(middleware.Recover())
	guard := echo5mw.New(gate, e)
	e.GET("/health", func(c *echo.Context) error { return c.String(http.StatusOK, "ok") })
	guard.Public("GET", "/health", "liveness")

	projects := e.Group("/v1/projects")
	projects.GET("/:project", getProject, guard.Require(authz.Need{ID: "projects.get", Permission: "read", From: map[string]string{"projects": "project"}}))
	projects.PUT("/:project", putProject, guard.Require(authz.Need{ID: "projects.put", Permission: "write", From: map[string]string{"projects": "project"}}))

	tollgate.Main(gate)
	log.Fatal(http.ListenAndServe("localhost:8080", tollgate.Must(guard.Start())))
}

func getProject(c *echo.Context) error {
	return c.JSON(http.StatusOK, map[string]string{"project": c.Param("project")})
}

func putProject(c *echo.Context) error { return c.NoContent(http.StatusNoContent) }

// Command gin is an application with the gin framework.
package main

import (
	"log"
	"net/http"

	"github.com/gin-gonic/gin"
	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/adapters/ginmw"
	"medtwin.ai/tollgate/adapters/sqlitestore"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
)

func main() {
	gate := tollgate.Must(tollgate.New(tollgate.Config{
		Store: tollgate.Must(sqlitestore.Open(sqlitestore.Config{Path: "acme.db"})), Secrets: tollgate.Must(keyfmt.OpenKeyring("acme.secrets")),
		Prefix: "acme", Permissions: []string{"read", "write"}, ReadOnly: []string{"read"}, Resources: []string{"projects"}, Plans: map[string]string{"standard": "60-M"},
	}))
	engine := gin.New()
	engine.Use(gin.Recovery())
	guard := ginmw.New(gate, engine)
	engine.GET("/health", func(c *gin.Context) { c.String(http.StatusOK, "ok") })
	guard.Public("GET", "/health", "liveness")

	projects := engine.Group("/v1/projects")
	projects.GET("/:project", guard.Handle(authz.Need{ID: "projects.get", Permission: "read", From: map[string]string{"projects": "project"}}, getProject))
	projects.PUT("/:project", guard.Handle(authz.Need{ID: "projects.put", Permission: "write", From: map[string]string{"projects": "project"}}, putProject))

	tollgate.Main(gate)
	log.Fatal(http.ListenAndServe("localhost:8080", tollgate.Must(guard.Start())))
}

func getProject(c *gin.Context) {
	c.JSON(http.StatusOK, gin.H{"project": c.Param("project")})
}

func putProject(c *gin.Context) { c.Status(http.StatusNoContent) }

// Command gin is an application with the gin framework.
package main

import (
	"log"
	"net/http"

	"github.com/gin-gonic/gin"
)

func main() {
	engine := gin.New()
	engine.Use(gin.Recovery())
	engine.GET("/health", func(c *gin.Context) { c.String(http.StatusOK, "ok") })

	projects := engine.Group("/v1/projects")
	projects.GET("/:project", getProject)
	projects.PUT("/:project", putProject)

	log.Fatal(http.ListenAndServe("localhost:8080", engine))
}

func getProject(c *gin.Context) {
	c.JSON(http.StatusOK, gin.H{"project": c.Param("project")})
}

func putProject(c *gin.Context) { c.Status(http.StatusNoContent) }

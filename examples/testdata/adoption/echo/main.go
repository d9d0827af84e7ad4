// Command echo is an application with the Echo framework, version 5.
package main

import (
	"log"
	"net/http"

	"github.com/labstack/echo/v5"
	"github.com/labstack/echo/v5/middleware"
)

func main() {
	e := echo.New()
	e.Use(middleware.Recover())
	e.GET("/health", func(c *echo.Context) error { return c.String(http.StatusOK, "ok") })

	projects := e.Group("/v1/projects")
	projects.GET("/:project", getProject)
	projects.PUT("/:project", putProject)

	log.Fatal(http.ListenAndServe("localhost:8080", e))
}

func getProject(c *echo.Context) error {
	return c.JSON(http.StatusOK, map[string]string{"project": c.Param("project")})
}

func putProject(c *echo.Context) error { return c.NoContent(http.StatusNoContent) }

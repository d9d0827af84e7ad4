package api

import (
	"errors"
	"net/http"
	"strings"

	"github.com/jub0bs/cors"
)

// namesOrigins refuses patterns, which would be allowed to read and not to write.
func namesOrigins(origins []string) error {
	for _, o := range origins {
		if strings.Contains(o, "*") {
			return errors.New("--allow-origin: name every origin; a pattern with * is none")
		}
	}
	return nil
}

// allowOrigins lets the pages of these origins call the API with cookies and read what
// it answers. They are the origins that may use the cookie for changes too.
func allowOrigins(origins []string, h http.Handler) (http.Handler, error) {
	m, err := cors.NewMiddleware(cors.Config{
		Origins:        origins,
		Credentialed:   true,
		Methods:        []string{"GET", "POST", "PUT", "PATCH", "DELETE"},
		RequestHeaders: []string{"Authorization", "Content-Type", "Idempotency-Key", "X-Environment"},
		ResponseHeaders: []string{
			"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "RateLimit-Policy", "RateLimit",
			"Retry-After", "WWW-Authenticate", "X-Request-Id", "X-Denied-Reason", "X-Required-Permission",
		},
		MaxAgeInSeconds: 600,
	})
	if err != nil {
		return nil, errors.New("--allow-origin: " + err.Error())
	}
	return m.Wrap(h), nil
}

package authz_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"medtwin.ai/tollgate/authz"
)

// Every route declares what it requires; what it does not hold is refused at
// start-up.
func ExampleRoutes() {
	model, err := authz.NewModel(authz.ModelConfig{
		Permissions: []string{"read", "write"},
		ReadOnly:    []string{"read"},
		Kinds:       []string{"projects"},
	})
	if err != nil {
		panic(err)
	}
	routes, err := authz.NewRoutes(authz.RoutesConfig{
		Model:        model,
		Authenticate: func(next http.Handler) http.Handler { return next }, // the Wrap of package authn
	})
	if err != nil {
		panic(err)
	}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {})
	routes.Public("GET /health", "liveness", h)
	routes.Handle("GET /v1/projects/{project}", authz.Need{
		ID: "projects.get", Permission: "read", From: map[string]string{"projects": "project"},
	}, h)
	func() {
		defer func() {
			what, how, _ := strings.Cut(fmt.Sprint(recover()), ": POST")
			fmt.Println("refused:", what)
			fmt.Println("because: POST" + how)
		}()
		routes.Handle("POST /v1/projects", authz.Need{ID: "projects.create", Permission: "read"}, h)
	}()
	for _, path := range []string{"/health", "/v1/projects/proj_1", "/v1/projects/..%2Fproj_1"} {
		w := httptest.NewRecorder()
		routes.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		fmt.Println(w.Code, path)
	}
	// Output:
	// refused: authz
	// because: POST /v1/projects: POST with permission "read", which only looks: require one that changes things, or say ReadOnly
	// 200 /health
	// 401 /v1/projects/proj_1
	// 404 /v1/projects/..%2Fproj_1
}

// What an operator's "explain" shows: the question that serving would ask.
func ExampleRoutes_Match() {
	model, err := authz.NewModel(authz.ModelConfig{Permissions: []string{"read"}, Kinds: []string{"projects"}})
	if err != nil {
		panic(err)
	}
	routes, err := authz.NewRoutes(authz.RoutesConfig{
		Model:        model,
		Authenticate: func(next http.Handler) http.Handler { return next },
	})
	if err != nil {
		panic(err)
	}
	routes.Handle("GET /v1/projects/{project}", authz.Need{
		ID: "projects.get", Permission: "read", From: map[string]string{"projects": "project"},
	}, http.NotFoundHandler())

	r, err := http.NewRequest("GET", "/v1/projects/proj_1", nil)
	if err != nil {
		panic(err)
	}
	route, q, ok := routes.Match(r)
	q.Environment = "live" // the key's
	fmt.Println(ok, route.Pattern)
	fmt.Println(q.Permission, q.Endpoint, q.Resources[0])
	// Output:
	// true GET /v1/projects/{project}
	// read projects.get {projects proj_1}
}

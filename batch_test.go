package tollgate_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/problem"
	"medtwin.ai/tollgate/ratelimit"
)

const subrequestCount = 10_000

var (
	readProject  = authz.Need{ID: "projects.get", Permission: "read", From: map[string]string{"projects": "id"}}
	writeProject = authz.Need{ID: "projects.put", Permission: "write", From: map[string]string{"projects": "id"}}
	writeBatch   = authz.Need{ID: "batch", Permission: "write", CheckedByHandler: []string{"projects"}}
)

// case A16: what a sub-request asks, is, and is answered changes nothing for
// the handler that made it.
func TestSubrequestLeavesParentAlone(t *testing.T) {
	for _, way := range subrequests {
		t.Run(way.name, func(t *testing.T) {
			eachSite(t, "100-M", func(t *testing.T, s site) {
				s.handle("GET /p/{id}", readProject, func(w http.ResponseWriter, r *http.Request) {
					caller, _ := authn.FromContext(r.Context())
					fmt.Fprint(w, caller.ID, " ", authz.CheckResource(r.Context(), "projects", "p2") == nil)
				})
				s.handle("POST /batch", writeBatch, func(_ http.ResponseWriter, r *http.Request) {
					ctx := r.Context()
					id := problem.RequestID(ctx)
					check := func(after string) {
						t.Helper()
						if err := authz.CheckResource(ctx, "projects", "p2"); err == nil {
							t.Errorf("%s: may write p2", after)
						}
						if err := authz.CheckResource(ctx, "projects", "p1"); err != nil {
							t.Errorf("%s: %v", after, err)
						}
						if got := authz.Visible(ctx, "projects"); !got.Equal(authz.Of("p1")) {
							t.Errorf("%s: visible %v", after, got)
						}
						if caller, _ := authn.FromContext(ctx); caller.ID != "writer" {
							t.Errorf("%s: the caller is %q", after, caller.ID)
						}
						if got := problem.RequestID(ctx); got != id {
							t.Errorf("%s: the request id %q became %q", after, id, got)
						}
					}
					check("at first")
					for _, part := range []struct {
						token, path, body string
						status            int
					}{
						{"writer", "/p/p2", "writer true", 200},
						{"reader-1", "/p/p1", "reader-1 false", 200},
						{"reader-1", "/p/p2", "", 403},
						{"nobody", "/p/p1", "", 401},
						{"writer", "/nothing", "", 404},
					} {
						rec := serve(s, way.make(r, "GET", part.path, part.token))
						if rec.Code != part.status || part.status == 200 && rec.Body.String() != part.body {
							t.Errorf("%s for %s: %d %s, want %d %s", part.path, part.token, rec.Code, rec.Body, part.status, part.body)
						}
						check(part.path + " for " + part.token)
					}
				})
				if rec := serve(s, ask("POST", "/batch", "writer")); rec.Code != 200 {
					t.Errorf("the batch: %d %s", rec.Code, rec.Body)
				}
			})
		})
	}
}

// case A16, in parallel: no part borrows the checked request of another.
func TestSubrequestsInParallel(t *testing.T) {
	eachSite(t, "1000000-M", func(t *testing.T, s site) {
		var written, refused atomic.Int64
		s.handle("GET /p/{id}", readProject, func(http.ResponseWriter, *http.Request) {})
		s.handle("PUT /p/{id}", writeProject, func(_ http.ResponseWriter, r *http.Request) {
			written.Add(1)
			if id := r.PathValue("id"); id != "p1" || authz.CheckResource(r.Context(), "projects", "p2") == nil {
				t.Errorf("%s is written", id)
			}
		})
		s.handle("POST /batch", writeBatch, func(_ http.ResponseWriter, r *http.Request) {
			parallel(subrequestCount, func(i int) {
				method, path := "PUT", fmt.Sprint("/p/p", 1+i%2)
				if i%10 == 0 {
					method = "GET"
				}
				switch rec := serve(s, subrequests[i%3].make(r, method, path, "writer")); rec.Code {
				case 403, 429: // which a gate says of many that are denied
					refused.Add(1)
				}
				if authz.CheckResource(r.Context(), "projects", "p2") == nil {
					t.Error("the batch may write p2")
				}
			})
		})
		serve(s, ask("POST", "/batch", "writer"))
		if w, r := written.Load(), refused.Load(); w != subrequestCount*4/10 || r != subrequestCount/2 {
			t.Errorf("%d written, %d refused; want %d, %d", w, r, subrequestCount*4/10, subrequestCount/2)
		}
	})
}

// case A16, in parallel with other credentials: every part is its own caller,
// whether a handler or something in front of the whole site takes the batch
// apart.
func TestSubrequestsOfSeveralCallers(t *testing.T) {
	eachSite(t, "1000000-M", func(t *testing.T, s site) {
		var handled atomic.Int64
		s.handle("GET /p/{id}", readProject, func(_ http.ResponseWriter, r *http.Request) {
			handled.Add(1)
			for range 3 {
				caller, _ := authn.FromContext(r.Context())
				if want := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "); caller.ID != want {
					t.Errorf("%q runs as %q", want, caller.ID)
				}
			}
		})
		split := func(_ http.ResponseWriter, r *http.Request) {
			before, _ := authn.FromContext(r.Context())
			parallel(subrequestCount, func(i int) {
				token, want := fmt.Sprint("reader-", i), 200
				if i%4 == 0 {
					token, want = "nobody", 401
				}
				rec := serve(s, subrequests[i%3].make(r, "GET", "/p/p1", token))
				if rec.Code != want && (want != 401 || rec.Code != 429) { // which a gate says of many that fail
					t.Errorf("%s: %d, want %d", token, rec.Code, want)
				}
				if now, _ := authn.FromContext(r.Context()); now.ID != before.ID {
					t.Errorf("the batch of %q runs as %q", before.ID, now.ID)
				}
			})
		}
		s.handle("POST /batch", writeBatch, split)
		serve(s, ask("POST", "/batch", "writer"))
		serve(problem.RequestIDs(http.HandlerFunc(split)), ask("POST", "/batch", "writer"))
		if got, want := handled.Load(), int64(2*subrequestCount*3/4); got != want {
			t.Errorf("%d parts were handled, want %d", got, want)
		}
	})
}

// case A16: every part is charged what it costs, and the batch what that costs.
func TestSubrequestsAreCharged(t *testing.T) {
	const parts = 50
	for _, way := range subrequests {
		t.Run(way.name, func(t *testing.T) {
			eachSite(t, "10-M", func(t *testing.T, s site) {
				s.handle("GET /free", authz.Need{ID: "free", Permission: "read", Cost: -1}, func(http.ResponseWriter, *http.Request) {})
				s.handle("GET /dear", authz.Need{ID: "dear", Permission: "read", Cost: 3}, func(http.ResponseWriter, *http.Request) {})
				var passed atomic.Int64
				one := func(r *http.Request, path string) {
					if rec := serve(s, way.make(r, "GET", path, "writer")); rec.Code == 200 {
						passed.Add(1)
					}
				}
				all := func(_ http.ResponseWriter, r *http.Request) {
					one(r, "/free")
					if way.name == "rewritten in place" {
						for range parts {
							one(r, "/dear")
						}
						return
					}
					parallel(parts, func(int) { one(r, "/dear") })
				}
				s.handle("POST /batch", authz.Need{ID: "batch", Permission: "write", Cost: -1}, all)
				if serve(s, ask("POST", "/batch", "writer")); passed.Load() != 1+3 {
					t.Errorf("%d parts passed, want the free one and 3 of cost 3 under 10", passed.Load())
				}
				passed.Store(0)
				if serve(problem.RequestIDs(http.HandlerFunc(all)), ask("POST", "/batch", "writer")); passed.Load() != 1 {
					t.Errorf("in front of the site: %d parts passed, want the free one", passed.Load())
				}
			})
		})
	}
}

// case A16: a part that no need decides is not free because the batch is.
func TestSubrequestWithoutNeedIsNotFree(t *testing.T) {
	p := newComposed("3-M")
	handled := 0
	part := p.rate.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { handled++ }))
	free := authz.Need{ID: "batch", Permission: "write", Cost: -1}
	batch := p.auth.Wrap(authz.Protect(p.model, free, p.rate.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		for range 10 {
			serve(part, subrequests[0].make(r, "GET", "/part", "writer"))
		}
	}))))
	if rec := serve(batch, ask("POST", "/batch", "writer")); rec.Code != 200 || handled != 3 {
		t.Errorf("the batch: %d; %d parts passed under 3 a minute", rec.Code, handled)
	}
}

// cases L5 and A16: the batch and each of its parts count once, however often
// the composed middlewares run on them, though they ask for different permissions
// and the batch asks again after each part.
func TestSubrequestsCountOnce(t *testing.T) {
	c := newComposed("100-M")
	s := c.site()
	h := c.auth.Wrap(c.rate.Wrap(c.auth.Wrap(c.rate.Wrap(s))))
	s.handle("GET /p/{id}", readProject, func(http.ResponseWriter, *http.Request) {})
	s.handle("POST /batch", writeBatch, func(w http.ResponseWriter, r *http.Request) {
		for i := range 10 {
			rec := serve(h, subrequests[i%3].make(r, "GET", "/p/p2", "writer"))
			if got, want := remaining(rec), fmt.Sprint(98-i); rec.Code != 200 || got != want {
				t.Errorf("part %d: %d, %s remaining, want %s", i, rec.Code, got, want)
			}
			if authz.CheckResource(r.Context(), "projects", "p2") == nil {
				t.Errorf("after part %d: may write p2", i)
			}
		}
	})
	if rec := serve(h, ask("POST", "/batch", "writer")); rec.Code != 200 || remaining(rec) != "99" {
		t.Errorf("the batch: %d, %s remaining, want 99", rec.Code, remaining(rec))
	}
	if rec := serve(h, ask("GET", "/p/p1", "writer")); remaining(rec) != "88" {
		t.Errorf("after a batch of ten: %s remaining, want 88", remaining(rec))
	}
}

// case A16: parts that differ in nothing but the body, which is replaced in
// front of the site.
func TestSubrequestsByBody(t *testing.T) {
	eachSite(t, "10-M", func(t *testing.T, s site) {
		var handled atomic.Int64
		s.handle("POST /rpc", authz.Need{ID: "rpc", Permission: "write", Cost: 3}, func(http.ResponseWriter, *http.Request) { handled.Add(1) })
		front := problem.RequestIDs(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			parallel(100, func(i int) {
				part := r.WithContext(r.Context())
				part.Body = io.NopCloser(strings.NewReader(fmt.Sprint(i)))
				serve(s, part)
			})
		}))
		if serve(front, ask("POST", "/rpc", "writer")); handled.Load() != 3 {
			t.Errorf("%d calls of cost 3 passed under 10", handled.Load())
		}
	})
}

// case A16: a public route knows nothing of the request that it was called on.
func TestPublicSubrequest(t *testing.T) {
	for _, kind := range siteKinds {
		s := kind.make("10-M")
		if s.public == nil {
			continue // without a gate, what is public is behind nothing
		}
		t.Run(kind.name, func(t *testing.T) {
			ran := 0
			s.public("GET /public", func(w http.ResponseWriter, r *http.Request) {
				ran++
				if caller, known := authn.FromContext(r.Context()); known {
					t.Errorf("the caller is %q", caller.ID)
				}
				if authz.CheckResource(r.Context(), "projects", "p1") == nil {
					t.Error("a public route may continue the checked request of another route")
				}
				problem.Write(w, r, problem.Problem{Status: 400})
			})
			s.handle("POST /batch", writeBatch, func(w http.ResponseWriter, r *http.Request) {
				ran++
				if rec := serve(s, subrequests[0].make(r, "GET", "/public", "writer")); rec.Code != 400 {
					t.Errorf("got %d, want 400", rec.Code)
				}
				if err := authz.CheckResource(r.Context(), "projects", "p1"); err != nil {
					t.Error(err)
				}
			})
			if serve(s, ask("POST", "/batch", "writer")); ran != 2 {
				t.Errorf("%d handlers ran, want 2", ran)
			}
		})
	}
}

// A prefix that is stripped between the parts of a chain loses neither the
// caller nor the cost nor the checked request.
func TestStripPrefix(t *testing.T) {
	p := newComposed("10-M")
	need := authz.Need{ID: "dear", Permission: "read", Cost: 3, CheckedByHandler: []string{"projects"}}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := authz.CheckResource(r.Context(), "projects", "p2"); err != nil {
			t.Error(err)
		}
		fmt.Fprint(w, r.URL.Path)
	})
	for _, c := range []struct {
		name string
		h    http.Handler
	}{
		{"authentication outside", p.auth.Wrap(http.StripPrefix("/v1", authz.Protect(p.model, need, p.rate.Wrap(h))))},
		{"decision outside", p.auth.Wrap(authz.Protect(p.model, need, http.StripPrefix("/v1", p.rate.Wrap(h))))},
		{"all outside", p.auth.Wrap(authz.Protect(p.model, need, p.rate.Wrap(http.StripPrefix("/v1", h))))},
	} {
		rec := serve(c.h, ask("GET", "/v1/x", "writer"))
		if rec.Code != 200 || rec.Body.String() != "/x" {
			t.Errorf("%s: %d %s", c.name, rec.Code, rec.Body)
		}
	}
	if rec := serve(p.auth.Wrap(authz.Protect(p.model, authz.Need{ID: "x", Permission: "read"}, p.rate.Wrap(http.NotFoundHandler()))), ask("GET", "/", "writer")); remaining(rec) != "0" {
		t.Errorf("after three requests of cost 3 and one more %s remain of 10", remaining(rec))
	}
}

// case A16: authentication of a request on another one's context takes the other
// one's access away with its caller.
func TestAuthenticationEndsAccessOfParent(t *testing.T) {
	eachSite(t, "100-M", func(t *testing.T, s site) {
		c := newComposed("100-M")
		ran := 0
		part := c.auth.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			ran++
			if caller, _ := authn.FromContext(r.Context()); caller.ID != "reader-1" {
				t.Errorf("the caller is %q, want reader-1", caller.ID)
			}
			for _, id := range []string{"p1", "p2"} { // no need has been decided for this caller
				if authz.CheckResource(r.Context(), "projects", id) == nil {
					t.Errorf("%s is allowed by another request's decision", id)
				}
			}
			if seen := authz.Visible(r.Context(), "projects"); seen.IsAll() || len(seen.Items()) > 0 {
				t.Errorf("%v is visible by another request's decision", seen)
			}
		}))
		s.handle("GET /batch", authz.Need{ID: "batch", Permission: "read", CheckedByHandler: []string{"projects"}}, func(_ http.ResponseWriter, r *http.Request) {
			ran++
			if rec := serve(part, subrequests[0].make(r, "GET", "/part", "reader-1")); rec.Code != 200 {
				t.Errorf("the part: %d", rec.Code)
			}
			if err := authz.CheckResource(r.Context(), "projects", "p2"); err != nil {
				t.Errorf("the batch itself: %v", err)
			}
		})
		if serve(s, ask("GET", "/batch", "writer")); ran != 2 {
			t.Errorf("%d handlers ran, want 2", ran)
		}
	})
}

// case A16: a gate's route on the context of a protected one costs what it says
// itself, with limiters of the application's own in it too.
func TestCostOfParent(t *testing.T) {
	c := newComposed("100-M")
	g := newGateSite("100-M")
	own := must(ratelimit.New(ratelimit.Config{Charge: func(*http.Request) (string, *ratelimit.Plan) {
		return "all", must(ratelimit.ParsePlan("own", "100-M"))
	}}))
	left := ""
	g.handle("GET /part", authz.Need{ID: "part", Permission: "read"}, own.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		left = w.Header().Get("X-RateLimit-Remaining")
	})).ServeHTTP)
	s := c.site()
	s.handle("GET /batch", authz.Need{ID: "batch", Permission: "read", Cost: 7}, func(_ http.ResponseWriter, r *http.Request) {
		serve(g, subrequests[0].make(r, "GET", "/part", "writer"))
	})
	if serve(s, ask("GET", "/batch", "writer")); left != "99" {
		t.Errorf("got %q left after one part, want 99", left)
	}
}

// case A16: a request whose credential is changed in place is charged to whom it
// then belongs.
func TestChangedCallerIsCharged(t *testing.T) {
	c := newComposed("5-M")
	passed := 0
	h := c.auth.Wrap(c.rate.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		r.Header.Set("Authorization", "Bearer reader-1")
		part := c.auth.Wrap(c.rate.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { passed++ })))
		for range 50 {
			serve(part, r)
		}
	})))
	serve(h, ask("GET", "/", "writer"))
	if passed != 5 {
		t.Errorf("%d parts of reader-1 passed under 5 a minute", passed)
	}
}

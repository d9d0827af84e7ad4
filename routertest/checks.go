package routertest

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"

	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authz"
)

var requestID = regexp.MustCompile(`"request_id":"[^"]*"`)

// The headers that a caller relies on, of a refusal and of a success.
var told = []string{
	"Content-Type", "Cache-Control", "Www-Authenticate", "X-Denied-Reason", "X-Required-Permission", "Retry-After",
	"X-Ratelimit-Limit", "X-Ratelimit-Remaining", "X-Ratelimit-Reset", "Ratelimit", "Ratelimit-Policy",
}

func answers(t tb, newRouter func(*tollgate.Gate) Router) {
	got, want := start(t, newRouter), start(t, ownMux)
	requests := []struct {
		name, method, path, token string
		header                    []string
	}{
		{"served", "GET", "/v1/projects/p1", "writer", nil},
		{"served, another project", "GET", "/v1/projects/p2", "writer", nil},
		{"changed", "POST", "/v1/projects/p1", "writer", nil},
		{"public", "GET", "/open", "", nil},
		{"public, with a bad credential", "GET", "/open", "nobody", nil},
		{"no credential", "GET", "/v1/projects/p1", "", nil},
		{"bad credential", "GET", "/v1/projects/p1", "nobody", nil},
		{"two credentials", "GET", "/v1/projects/p1", "writer", []string{"Authorization", "Bearer writer"}},
		{"another environment", "GET", "/v1/projects/p1", "reader", []string{"X-Environment", "test"}},
		{"another project", "GET", "/v1/projects/p2", "reader", nil},
		{"no permission", "POST", "/v1/projects/p1", "reader", nil},
		{"unknown path", "GET", "/v1/unknown", "writer", nil},
	}
	for range 20 { // to the end of the plan
		requests = append(requests, struct {
			name, method, path, token string
			header                    []string
		}{"over the limit", "GET", "/v1/projects/p1", "reader", nil})
	}
	for _, q := range requests {
		a, b := got.do(q.method, q.path, q.token, q.header...), want.do(q.method, q.path, q.token, q.header...)
		if body, same := requestID.ReplaceAllString(a.body, ""), requestID.ReplaceAllString(b.body, ""); a.status != b.status || body != same {
			t.Errorf("%s: got %d %s, want %d %s", q.name, a.status, body, b.status, same)
		}
		for _, name := range told {
			if x, y := a.header.Values(name), b.header.Values(name); !slices.Equal(x, y) {
				t.Errorf("%s: got %s %q, want %q", q.name, name, x, y)
			}
		}
	}
	if x, y := got.served.Load(), want.served.Load(); x != y {
		t.Errorf("%d requests reached a handler, want %d", x, y)
	}
	// Who asks with a method that the path does not have reaches no handler.
	before := got.served.Load()
	if a := got.do("PUT", "/v1/projects/p1", "writer"); a.status != 404 && (a.status != 405 || a.header.Get("Allow") == "") || got.served.Load() != before {
		t.Errorf("PUT: got %d, Allow %q", a.status, a.header.Get("Allow"))
	}
}

func spellings(t tb, newRouter func(*tollgate.Gate) Router) {
	d := open(t, newRouter)
	var seen []string
	note := func(w http.ResponseWriter, r *http.Request, param func(string) string) {
		seen = append(seen, param("project"))
	}
	d.routes.Handle("GET", project, reading, note)
	d.routes.Handle("GET", "/v1/projects/{project}/notes/{note}", authz.Need{
		ID: "notes.get", Permission: "read", From: map[string]string{"projects": "project"},
	}, note)
	var err error
	d.handler, err = d.routes.Start()
	d.must(err)
	for _, path := range []string{
		"/v1/projects/p1%2Fp2", "/v1/projects/p2%2F..%2Fp1", "/v1/projects/p2/..%2Fp1", "/v1/projects/p2%2f", "/v1/projects/p2/",
		"/v1/projects/%2e%2e", "/v1/projects/..%2Fp2", "/v1/projects/%2e%2e%2fprojects%2fp2", "/v1/projects/P1", "/v1/projects/%50%31",
		"/v1/projects/p1%00", "/v1/projects/p2%00p1", "/v1/projects/p1%20", "/v1/projects/p1+", "/v1/projects/p1;p2", "/v1/projects/p1%3Bp2",
		"/v1/projects//p2", "/v1/projects/", "/v1/projects//", "//v1/projects/p2", "/v1//projects/p2", "/V1/projects/p2", "/v1/projects/p\u00b9",
		"/v1/projects/p1%252Fp2", "/v1/projects/*", "/v1/projects/%2A", "/v1/projects/:project", "/v1/projects/%7Bproject%7D",
		"/v1/projects/p2%2Fnotes%2Fn1", "/v1/projects/p2/notes/n1", "/v1/projects/p1%2F..%2Fp2/notes/n1", "/v1/projects/p2/./notes/n1",
		"/v1/projects/%70%32", "/v1/projects/%70%31",
	} {
		seen = nil
		a := d.do("GET", path, "reader")
		for _, id := range seen {
			if id != "p1" { // what the decision was about
				t.Errorf("%s: the caller may read p1, and the handler has %q", path, id)
			}
		}
		if len(seen) == 0 && a.status != 301 && a.status != 307 && a.status != 308 && (a.status < 400 || a.status > 499) {
			t.Errorf("%s: got %d, want a refusal or a redirection", path, a.status)
		}
	}
}

func undeclared(t tb, newRouter func(*tollgate.Gate) Router) {
	for _, c := range []struct {
		name    string
		declare func(*desk)
		want    []string
	}{
		{"no need", func(d *desk) { d.routes.Add("GET", "/v1/forgotten/{id}", d.show) }, []string{"GET", "/v1/forgotten/", "requires nothing of its caller"}},
		{"one of many", func(d *desk) {
			d.routes.Handle("GET", project, reading, d.show)
			d.routes.Add("DELETE", project, d.show)
		}, []string{"DELETE", "/v1/projects/", "requires nothing of its caller"}},
		{"public, with another method", func(d *desk) {
			d.routes.Add("POST", "/open", d.show)
			d.routes.Public("GET", "/open", "a test")
		}, []string{"POST", "/open", "requires nothing of its caller"}},
		{"public and with a need", func(d *desk) {
			d.routes.Handle("GET", "/open", authz.Need{ID: "open", Anyone: true}, d.show)
			d.routes.Public("GET", "/open", "a test")
		}, []string{"/open", "delete one of the two"}},
		{"public, without a route", func(d *desk) { d.routes.Public("GET", "/opne", "a typing error") }, []string{"/opne", "correct or delete the declaration"}},
	} {
		d := open(t, newRouter)
		c.declare(d)
		_, err := d.routes.Start()
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got the error %v, want one with %q", c.name, err, want)
			}
		}
	}
}

func misfits(t tb, newRouter func(*tollgate.Gate) Router) {
	for _, c := range []struct {
		name, method, pattern string
		need                  authz.Need
		want                  string
	}{
		{"a parameter that the pattern does not have", "GET", "/v1/projects/{id}", reading, "{project}"},
		{"a parameter that is not checked", "GET", project, authz.Need{ID: "x", Permission: "read"}, "{project} is not checked"},
		{"a parameter twice", "GET", "/v1/projects/{project}/copy/{project}", reading, "project"},
		{"POST with a permission to read", "POST", project, reading, "which is read-only"},
		{"a permission that does not exist", "GET", "/v1/x", authz.Need{ID: "x", Permission: "raed"}, `"read"`},
	} {
		err := func() (err error) {
			defer func() {
				if v := recover(); v != nil {
					err = fmt.Errorf("%v", v)
				}
			}()
			d := open(t, newRouter)
			d.routes.Handle(c.method, c.pattern, c.need, d.show)
			_, err = d.routes.Start()
			return err
		}()
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got the error %v, want one with %q", c.name, err, c.want)
		}
	}
}

func late(t tb, newRouter func(*tollgate.Gate) Router) {
	d := start(t, newRouter)
	d.routes.Add("GET", "/late/{id}", d.show)
	d.routes.Add("DELETE", project, d.show)
	for _, q := range [][2]string{{"GET", "/late/1"}, {"DELETE", "/v1/projects/p1"}, {"HEAD", "/late/1"}} {
		if a := d.do(q[0], q[1], "writer"); a.status < 400 || d.served.Load() > 0 {
			t.Errorf("%s %s, added after the start: got %d, and %d requests reached a handler", q[0], q[1], a.status, d.served.Load())
		}
	}
	if a := d.do("GET", "/v1/projects/p1", "writer"); a.status != 200 {
		t.Errorf("a route of before: got %d %s", a.status, a.body)
	}
}

func methods(t tb, newRouter func(*tollgate.Gate) Router) {
	d := start(t, newRouter)
	for _, header := range []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"} {
		if a := d.do("GET", "/v1/projects/p2?_method=POST", "writer", header, "POST"); a.status != 200 {
			t.Errorf("GET with %s: got %d, want it read as GET", header, a.status)
		}
		if a := d.do("POST", "/v1/projects/p2?_method=GET", "writer", header, "GET"); a.status != 403 {
			t.Errorf("POST with %s: got %d, want 403", header, a.status)
		}
	}
	before := d.served.Load()
	if a := d.do("HEAD", "/v1/projects/p1", ""); a.status < 400 || d.served.Load() != before {
		t.Errorf("HEAD without a credential: got %d", a.status)
	}
	if a := d.do("HEAD", "/v1/projects/p2", "reader"); a.status < 400 || d.served.Load() != before {
		t.Errorf("HEAD of another project: got %d", a.status)
	}
}

func preflights(t tb, newRouter func(*tollgate.Gate) Router) {
	d := start(t, newRouter)
	preflight := []string{"Origin", "https://app.example", "Access-Control-Request-Method", "POST"}
	if a := d.do("OPTIONS", "/v1/projects/p1", "", preflight...); d.served.Load() > 0 {
		t.Errorf("a preflight reached a handler: %d", a.status)
	}
	if a := d.do("GET", "/v1/projects/p1", "writer"); a.header.Get("X-Ratelimit-Remaining") != "19" {
		t.Errorf("after a preflight %s of 20 are left, want 19", a.header.Get("X-Ratelimit-Remaining"))
	}
	// A CORS middleware is in front, and answers before anybody asks for a credential.
	inner := d.handler
	d.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "OPTIONS" && r.Header.Get("Access-Control-Request-Method") != "" {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		inner.ServeHTTP(w, r)
	})
	if a := d.do("OPTIONS", "/v1/projects/p1", "", preflight...); a.status != 204 {
		t.Errorf("a preflight behind CORS: got %d", a.status)
	}
}

func addresses(t tb, newRouter func(*tollgate.Gate) Router) {
	var got string
	d := start(t, newRouter, func(d *desk) {
		d.routes.Handle("GET", "/v1/address", authz.Need{ID: "address", Anyone: true}, func(w http.ResponseWriter, r *http.Request, _ func(string) string) {
			got = d.gate.ClientAddr(r).String()
		})
	})
	for _, name := range []string{"X-Forwarded-For", "X-Real-IP", "Forwarded", "True-Client-IP", "CF-Connecting-IP"} {
		if a := d.do("GET", "/v1/address", "reader", name, "203.0.113.9"); got != "192.0.2.1" {
			t.Errorf("%s: got %d and the address %s, want that of the connection", name, a.status, got)
		}
	}
}

func panics(t tb, newRouter func(*tollgate.Gate) Router) {
	d := start(t, newRouter, func(d *desk) {
		d.routes.Handle("GET", "/v1/panic", authz.Need{ID: "panic", Anyone: true}, func(http.ResponseWriter, *http.Request, func(string) string) {
			panic("a handler's mistake")
		})
	})
	server := d.serve()
	for range 5 {
		if status, _, err := get(server, "/v1/panic", "writer"); err == nil && status != 500 && status != 429 {
			t.Errorf("a panic: got %d", status)
		}
	}
	if status, body, err := get(server, "/v1/projects/p1", "reader"); status != 200 {
		t.Errorf("after the panics: got %d %s %v", status, body, err)
	}
}

// get sends a request over the network.
func get(s *httptest.Server, path, token string) (status int, body string, err error) {
	r, err := http.NewRequest("GET", s.URL+path, nil)
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	response, err := s.Client().Do(r)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	return response.StatusCode, string(b), err
}

func streams(t tb, newRouter func(*tollgate.Gate) Router) {
	heard := make(chan bool)
	d := start(t, newRouter, func(d *desk) {
		d.routes.Handle("GET", "/v1/events", authz.Need{ID: "events", Anyone: true}, func(w http.ResponseWriter, r *http.Request, _ func(string) string) {
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprintf(w, "data: %s\n\n", r.Proto)
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Errorf("flush: %v", err)
				return // so that the client has its answer
			}
			select {
			case <-heard: // the client has the first event while the handler runs
			case <-r.Context().Done():
			}
		})
		d.routes.Handle("GET", "/v1/hijack", authz.Need{ID: "hijack", Anyone: true}, func(w http.ResponseWriter, r *http.Request, _ func(string) string) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Errorf("hijack: %v", err)
				return
			}
			defer conn.Close()
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\nmine")
		})
	})
	for _, version := range []string{"HTTP/1.1", "HTTP/2.0"} {
		server := d.serve()
		if version == "HTTP/1.1" {
			server.Client().Transport.(*http.Transport).TLSClientConfig.NextProtos = []string{"http/1.1"}
			server.Client().Transport.(*http.Transport).ForceAttemptHTTP2 = false
			if status, body, err := get(server, "/v1/hijack", "reader"); body != "mine" {
				t.Errorf("a hijacked connection: got %d %q %v", status, body, err)
			}
		}
		r, err := http.NewRequest("GET", server.URL+"/v1/events", nil)
		d.must(err)
		r.Header.Set("Authorization", "Bearer reader")
		response, err := server.Client().Do(r)
		d.must(err)
		line, err := bufio.NewReader(response.Body).ReadString('\n')
		if want := "data: " + version + "\n"; line != want {
			t.Errorf("the first event over %s: got %d %q %v, want %q", response.Proto, response.StatusCode, line, err, want)
		}
		select {
		case heard <- true:
		default: // the handler did not get that far
		}
		response.Body.Close()
	}
}

func pooled(t tb, newRouter func(*tollgate.Gate) Router) {
	var mu sync.Mutex
	kept := map[string][]*http.Request{}
	d := start(t, newRouter, func(d *desk) {
		d.routes.Handle("GET", "/v1/keep/{id}", authz.Need{ID: "keep", Permission: "read"}, func(w http.ResponseWriter, r *http.Request, param func(string) string) {
			mu.Lock()
			defer mu.Unlock()
			who := param("id")
			kept[who] = append(kept[who], r)
		})
	})
	var all sync.WaitGroup
	for i := range 36 {
		all.Go(func() {
			token := []string{"reader", "writer"}[i%2]
			d.do("GET", "/v1/keep/"+token, token)
		})
	}
	all.Wait()
	for _, token := range []string{"reader", "writer"} {
		if len(kept[token]) == 0 {
			t.Errorf("no request of %s was served", token)
		}
		for _, r := range kept[token] { // long after they have been answered
			if p, ok := authn.FromContext(r.Context()); !ok || p.ID != "id-of-"+token {
				t.Errorf("a request of %s is now one of %q", token, p.ID)
			}
		}
	}
}

func subrequests(t tb, newRouter func(*tollgate.Gate) Router) {
	var inner []int
	var parent error
	d := start(t, newRouter, func(d *desk) {
		d.routes.Handle("POST", "/v1/batch", authz.Need{ID: "batch", Permission: "write", CheckedByHandler: []string{"projects"}}, func(w http.ResponseWriter, r *http.Request, _ func(string) string) {
			for _, token := range []string{"", "reader", "writer"} {
				sub := httptest.NewRequest("GET", "/v1/projects/p2", nil).WithContext(r.Context())
				if token != "" {
					sub.Header.Set("Authorization", "Bearer "+token)
				}
				rec := httptest.NewRecorder()
				d.handler.ServeHTTP(rec, sub)
				inner = append(inner, rec.Code)
			}
			parent = authz.CheckResource(r.Context(), "projects", "p2") // may be read, not written
		})
	})
	if a := d.do("POST", "/v1/batch", "writer"); a.status != 200 {
		t.Errorf("got %d %s", a.status, a.body)
	}
	if want := []int{401, 403, 200}; !slices.Equal(inner, want) {
		t.Errorf("requests without a credential, of a reader and of a writer: got %v, want %v", inner, want)
	}
	if parent == nil {
		t.Errorf("after the others, the request for writing may use a project that its caller may only read")
	}
}

func silence(t tb, newRouter func(*tollgate.Gate) Router) {
	const secret = "acme_live_0Sup3rS3cretT0ken4Tests0aaaaaa"
	d := start(t, newRouter)
	d.do("GET", "/v1/projects/p1", secret)
	d.do("GET", "/v1/projects/p1", "", "Authorization", secret)
	d.do("GET", "/v1/projects/p1", "", "Authorization", "Basic "+secret)
	d.do("GET", "/nowhere", secret)
	if log := d.log.String(); strings.Contains(log, secret) || !strings.Contains(log, "request refused") {
		t.Errorf("the log is %s", cmp.Or(log, "empty"))
	}
}

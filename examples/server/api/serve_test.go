package api

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"medtwin.ai/tollgate/adapters/pgstore/pgtest"
)

// Whatever hangs, a server that is told to stop ends within fifteen seconds,
// and says what it could not write: here what became of a webhook attempt, and
// uses.
func TestEndsThoughPostgresHangs(t *testing.T) {
	var locked *pgx.Conn // by the one that does
	for _, o := range []outage[*pgtest.Server]{
		{"hung", (*pgtest.Server).Pause, (*pgtest.Server).Resume, nil},
		{"locked", func(s *pgtest.Server) (err error) {
			if locked, err = pgx.Connect(context.Background(), s.URL()); err == nil {
				_, err = locked.Exec(context.Background(), `BEGIN; LOCK TABLE tollgate.keys, tollgate.memberships, tollgate.events,
					tollgate_server.webhooks, tollgate_server.deliveries IN ACCESS EXCLUSIVE MODE`)
			}
			return err
		}, func(*pgtest.Server) error { return locked.Close(context.Background()) }, nil},
	} {
		t.Run(o.name, func(t *testing.T) {
			t.Parallel()
			server, err := pgtest.Start(pgtest.Config{})
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			p := start(t, t.TempDir(), "--database", server.URL(), "--dangerously-allow-private-webhooks")
			attempted, answer := make(chan struct{}), make(chan struct{})
			hook := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				attempted <- struct{}{}
				<-answer
			}))
			defer hook.Close()
			owner := p.login(p.Email, p.Password)
			if a := p.do("POST", "/v1/webhooks", owner, `{"url":"`+hook.URL+`"}`); a.status != 201 {
				t.Fatalf("webhook: %d %s", a.status, a.body)
			}
			if a := p.do("POST", "/v1/api-keys", owner, `{"name":"k","permissions":["read"]}`); a.status != 201 {
				t.Fatalf("key: %d %s", a.status, a.body)
			}
			<-attempted
			if a := p.get("/v1/whoami", p.LiveKey); a.status != 200 {
				t.Fatalf("use: %d %s", a.status, a.body)
			}
			if err := o.down(server); err != nil {
				t.Fatal(err)
			}
			close(answer)
			began := time.Now()
			if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			late := time.AfterFunc(15*time.Second, func() { p.cmd.Process.Kill() })
			err = p.cmd.Wait()
			if !late.Stop() {
				t.Errorf("it has not ended after %v", time.Since(began))
			}
			t.Logf("ended after %v with %v", time.Since(began).Round(10*time.Millisecond), err)
			if err := o.back(server); err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{"webhook attempt not recorded", "uses not recorded"} {
				if !strings.Contains(p.logs.String(), want) {
					t.Errorf("nothing of %q:\n%s", want, p.logs)
				}
			}
		})
	}
}

// What is late is named.
func TestFinish(t *testing.T) {
	ends, late := make(chan string, 3), make(chan time.Time, 1)
	ends <- "b"
	ends <- "a"
	if err := finish([]string{"a", "b"}, ends, late); err != nil {
		t.Error(err)
	}
	late <- time.Time{}
	if err := finish([]string{"a", "b"}, ends, late); err == nil || !strings.Contains(err.Error(), "a, b") {
		t.Error(err)
	}
}

// No database that hangs can hold up what goes on after the client has gone:
// every context that outlives its request, or the server, ends by itself.
func TestDetachedEnds(t *testing.T) {
	err := filepath.WalkDir(".", func(path string, _ os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for line := range strings.Lines(string(text)) {
			if strings.Contains(line, "context.WithoutCancel(") && !strings.Contains(line, "context.WithTimeout(") &&
				!strings.Contains(line, "background, stop := ") { // which serve ends
				t.Errorf("%s: %s", path, line)
			}
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

package api

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"medtwin.ai/tollgate/problem"
)

// A trickle is a body of which a byte comes every second.
type trickle struct{ left int }

func (b *trickle) Read(p []byte) (int, error) {
	if b.left--; b.left < 0 {
		return 0, io.EOF
	}
	<-time.After(time.Second)
	p[0] = ' '
	return 1, nil
}

func (*trickle) Close() error { return nil }

// A handler has all of handlerTimeout once it has read the body, however long
// that took, and then no more.
func TestHandlerTimeout(t *testing.T) {
	for _, seconds := range []int{0, 20} {
		synctest.Test(t, func(t *testing.T) {
			s := &server{log: slog.New(slog.DiscardHandler)}
			began := time.Now()
			h := problem.RequestIDs(s.logged(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if _, err := io.ReadAll(r.Body); err != nil || r.Context().Err() != nil {
					t.Errorf("after the body: %v, %v", err, r.Context().Err())
				}
				want := began.Add(time.Duration(seconds)*time.Second + handlerTimeout)
				<-r.Context().Done()
				if !errors.Is(context.Cause(r.Context()), context.DeadlineExceeded) || !time.Now().Equal(want) {
					t.Errorf("%d s: over after %v: %v", seconds, time.Since(began), context.Cause(r.Context()))
				}
			})))
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/", &trickle{seconds}))
		})
	}
}

// case T7: neither a body that does not come nor a client that hangs up is an
// outage.
func TestLateBody(t *testing.T) {
	c := newClocked(t, "standard", "")
	log := &lockedLog{}
	c.server.log = slog.New(slog.NewTextHandler(log, nil))
	srv := httptest.NewUnstartedServer(c.handler)
	srv.Config.ReadTimeout = 200 * time.Millisecond
	srv.Start()
	t.Cleanup(srv.Close)
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "POST /v1/access-requests HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"); err != nil {
		t.Fatal(err)
	}
	conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 408 {
		t.Errorf("%s", res.Status)
	}

	ctx, hangUp := context.WithCancel(t.Context())
	hangUp()
	r := httptest.NewRequestWithContext(ctx, "POST", "/v1/access-requests", strings.NewReader(
		`{"organization":"o","use_case":"u","expected_volume":"v","email":"a@example.com"}`))
	r.Header.Set("Content-Type", "application/json")
	rec := httptest.NewRecorder()
	c.handler.ServeHTTP(rec, r)
	if rec.Code != 503 {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	if text := log.String(); strings.Contains(text, "ERROR") || !strings.Contains(text, "status=408") {
		t.Errorf("the log:\n%s", text)
	}
}

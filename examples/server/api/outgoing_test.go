package api

import (
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// case T14: a server with the flags that it has by default connects to nobody
// until a leak report comes that needs its sender's keys. Connections to others
// than this machine would go through the proxy here.
func TestNoOutgoingConnection(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	came := make(chan struct{}, 100)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
			came <- struct{}{}
		}
	}()
	dir := t.TempDir()
	run := func() *process {
		cmd := program(t, dir, "--listen", "127.0.0.1:0", "--demo-file", filepath.Join(dir, "demo.json"))
		proxy := "http://" + l.Addr().String()
		cmd.Env = append(os.Environ(), "HTTPS_PROXY="+proxy, "HTTP_PROXY="+proxy, "NO_PROXY=", "no_proxy=")
		return begin(t, cmd)
	}
	p := run()
	if a := p.get("/v1/whoami", p.LiveKey); a.status != 200 {
		t.Fatalf("got %d", a.status)
	}
	p.stop() // ends no earlier than what has begun in the background
	select {
	case <-came:
		t.Error("the server connected to somebody, and nobody had asked it to")
	default:
	}

	p = run()
	p.do("POST", "/v1/secret-scanning", "", `[{"token":"x"}]`, "Github-Public-Key-Identifier", "k", "Github-Public-Key-Signature", "AAAA")
	select {
	case <-came:
	case <-time.After(10 * time.Second):
		t.Error("a report came and no keys were fetched: a connection would not have been seen")
	}
}

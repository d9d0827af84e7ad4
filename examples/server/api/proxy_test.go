package api

import (
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
)

// A proxy stands before one server, and can cut or hang what goes through it.
type proxy struct {
	listener net.Listener
	target   string

	mu    sync.Mutex
	mode  mode
	free  chan struct{} // closed while nothing hangs
	conns map[net.Conn]bool
}

type mode int

const (
	through mode = iota
	cut          // no connection is left, none is made
	hung         // they are there, and nothing passes
)

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, target: target, free: make(chan struct{}), conns: make(map[net.Conn]bool)}
	close(p.free)
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { p.serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.set(cut)
		serving.Wait()
	})
	return p
}

// before returns a URL that leads to the same server through the proxy.
func before(t *testing.T, server string) (*proxy, string) {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	p := newProxy(t, u.Host)
	u.Host = p.listener.Addr().String()
	return p, u.String()
}

func (p *proxy) set(m mode) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mode == hung {
		close(p.free)
	}
	if m == hung {
		p.free = make(chan struct{})
	}
	if p.mode = m; m == cut {
		for c := range p.conns {
			c.Close()
		}
		clear(p.conns)
	}
}

// keep notes a connection; where it is cut already it is closed.
func (p *proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mode == cut {
		c.Close()
		return false
	}
	p.conns[c] = true
	return true
}

func (p *proxy) wait() {
	p.mu.Lock()
	free := p.free
	p.mu.Unlock()
	<-free
}

func (p *proxy) serve(client net.Conn) {
	if !p.keep(client) {
		return
	}
	defer client.Close()
	p.wait()
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer server.Close()
	if !p.keep(server) {
		return
	}
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{client, server}, {server, client}} {
		both.Go(func() {
			io.Copy(way[1], gated{way[0], p})
			way[1].Close()
			way[0].Close()
		})
	}
	both.Wait()
}

// gated holds what it has read for as long as the proxy hangs.
type gated struct {
	net.Conn
	p *proxy
}

func (g gated) Read(b []byte) (int, error) {
	n, err := g.Conn.Read(b)
	g.p.wait()
	return n, err
}

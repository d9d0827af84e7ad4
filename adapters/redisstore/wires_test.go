package redisstore

import (
	"bytes"
	"context"
	"net"
	"slices"
	"sync"
	"sync/atomic"
)

// Wires are the connections of a client, of which those that have subscribed to
// changes can be harmed.
type wires struct {
	mute atomic.Bool // they hang half-open: what is sent arrives, and nothing comes back
	slow atomic.Bool // they are not read, so that what comes piles up in Redis

	mu  sync.Mutex
	all []*wire
}

// dialer returns what a client dials with, nil where that does not matter.
func dialer(w []*wires) func(context.Context, string, string) (net.Conn, error) {
	if len(w) == 0 {
		return nil
	}
	return w[0].dial
}

func (w *wires) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	one := &wire{Conn: c, all: w, closed: make(chan struct{})}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, one)
	return one, nil
}

// cut ends all subscriptions, and returns how many there were.
func (w *wires) cut() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = slices.DeleteFunc(w.all, func(c *wire) bool {
		if !c.subscribed.Load() {
			return false
		}
		_ = c.Close()
		n++
		return true
	})
	return n
}

type wire struct {
	net.Conn
	all        *wires
	subscribed atomic.Bool
	once       sync.Once
	closed     chan struct{}
}

func (c *wire) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte("subscribe")) && bytes.Contains(b, []byte("changes")) {
		c.subscribed.Store(true)
	}
	return c.Conn.Write(b)
}

// Read ends by deadlines and by Close, as it does on any connection.
func (c *wire) Read(b []byte) (int, error) {
	for {
		if c.subscribed.Load() && c.all.slow.Load() {
			<-c.closed
		}
		n, err := c.Conn.Read(b)
		if err != nil || !c.subscribed.Load() || !c.all.mute.Load() {
			return n, err
		}
	}
}

func (c *wire) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

package pgstore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// A pooler gives each transaction of a client the connection that was idle for
// longest, as a pooler in transaction mode may: nothing that one transaction
// leaves in its session is there for the next.
type pooler struct {
	port    int
	servers chan *pgconn.HijackedConn
	clients sync.WaitGroup
}

func newPooler(t *testing.T) *pooler {
	t.Helper()
	const size = 6
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &pooler{port: l.Addr().(*net.TCPAddr).Port, servers: make(chan *pgconn.HijackedConn, size)}
	for range size {
		h, err := dialServer(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		p.servers <- h
	}
	p.clients.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.clients.Go(func() {
				defer c.Close()
				p.serve(t, pgproto3.NewBackend(c, c), c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.clients.Wait()
		for range size {
			(<-p.servers).Conn.Close()
		}
	})
	return p
}

func (p *pooler) url(settings ...string) string {
	u, err := url.Parse(server.URL(settings...))
	if err != nil {
		panic(err) // it is of this package's own making
	}
	u.Host = fmt.Sprintf("127.0.0.1:%d", p.port)
	return u.String()
}

func dialServer(ctx context.Context) (*pgconn.HijackedConn, error) {
	c, err := pgconn.Connect(ctx, server.URL())
	if err != nil {
		return nil, err
	}
	return c.Hijack()
}

// serve answers a client until it goes.
func (p *pooler) serve(t *testing.T, client *pgproto3.Backend, c net.Conn) {
	first, err := client.ReceiveStartupMessage()
	if _, ok := first.(*pgproto3.StartupMessage); err != nil || !ok { // a request to cancel, which it need not heed
		return
	}
	client.Send(&pgproto3.AuthenticationOk{})
	for _, status := range []string{"client_encoding", "server_encoding"} {
		client.Send(&pgproto3.ParameterStatus{Name: status, Value: "UTF8"})
	}
	client.Send(&pgproto3.ParameterStatus{Name: "standard_conforming_strings", Value: "on"})
	client.Send(&pgproto3.BackendKeyData{SecretKey: make([]byte, 4)})
	client.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	if client.Flush() != nil {
		return
	}
	for {
		m, err := client.Receive()
		if _, bye := m.(*pgproto3.Terminate); err != nil || bye {
			return
		}
		h := <-p.servers
		if err := p.transaction(client, m, h); err != nil { // the client went in the middle of it
			h.Conn.Close()
			if fresh, err := dialServer(context.WithoutCancel(t.Context())); err == nil {
				h = fresh
			} else {
				t.Error(err)
			}
			p.servers <- h
			return
		}
		p.servers <- h
	}
}

// transaction passes messages on, of which the first is m, until the server is
// idle again.
func (p *pooler) transaction(client *pgproto3.Backend, m pgproto3.FrontendMessage, h *pgconn.HijackedConn) error {
	for {
		h.Frontend.Send(m)
		switch m.(type) {
		case *pgproto3.Query, *pgproto3.Sync:
			status, err := relay(client, h.Frontend)
			if err != nil || status == 'I' {
				return err
			}
		}
		var err error
		if m, err = client.Receive(); err != nil {
			return err
		}
		if _, bye := m.(*pgproto3.Terminate); bye {
			return errors.New("it goes in a transaction")
		}
	}
}

// relay passes on what the server answers, up to its being ready.
func relay(client *pgproto3.Backend, server *pgproto3.Frontend) (status byte, err error) {
	if err := server.Flush(); err != nil {
		return 0, err
	}
	for {
		m, err := server.Receive()
		if err != nil {
			return 0, err
		}
		client.Send(m)
		if ready, ok := m.(*pgproto3.ReadyForQuery); ok {
			return ready.TxStatus, client.Flush()
		}
	}
}

// behindPooler returns a configuration for stores behind a pooler, with pgx's mode for
// these and with watches that do not go through it.
func behindPooler(t *testing.T, c Config) Config {
	t.Helper()
	listen, err := pgx.ParseConfig(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	c.URL, c.Listen = newPooler(t).url("pool_max_conns=8", "default_query_exec_mode=exec"), listen
	return c
}

// A watch that goes through it would hear its own connection at most. It must
// not take that for the stream of changes.
func TestWatchThroughPooler(t *testing.T) {
	c := config(t)
	c.URL = newPooler(t).url("default_query_exec_mode=exec")
	s := open(t, c)
	s.beatTimeout = time.Second
	w := &calls{c: make(chan string, 10)}
	if err := s.Watch(t.Context(), w); !errors.Is(err, errDeaf) {
		t.Errorf("Watch: %v", err)
	}
	if len(w.c) > 0 || !w.alive().IsZero() {
		t.Errorf("Watch said %d things, and was alive at %v", len(w.c), w.alive())
	}
}

// A watch at another database would hear its own heartbeats, and no change.
func TestListenElsewhere(t *testing.T) {
	listen, err := pgx.ParseConfig(server.URL("dbname=template1"))
	if err != nil {
		t.Fatal(err)
	}
	c := config(t)
	c.Listen = listen
	s := open(t, c)
	s.beatTimeout = time.Second
	w := &calls{c: make(chan string, 10)}
	if err := s.Watch(t.Context(), w); !errors.Is(err, errElsewhere) {
		t.Errorf("Watch: %v", err)
	}
	if len(w.c) > 0 || !w.alive().IsZero() {
		t.Errorf("Watch said %d things, and was alive at %v", len(w.c), w.alive())
	}
}

// The pooler is one: without that mode a statement is prepared on one
// connection and executed on another.
func TestPooler(t *testing.T) {
	c := config(t)
	direct := open(t, c)
	newAccount(t, direct)
	c.URL = newPooler(t).url()
	s, err := connect(c)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	_, err = s.Accounts().Get(t.Context(), "acct_1")
	outage(t, "a prepared statement behind a pooler", err)
}

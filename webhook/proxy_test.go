package webhook_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"medtwin.ai/tollgate/webhook"
)

// No proxy makes the connection, whatever HTTP_PROXY and HTTPS_PROXY say: it
// would look names up itself, and connect to private addresses for customers. A
// test cannot set those, which net/http reads once in a process, so it looks at
// the transport that would ask for them.
func TestNoProxy(t *testing.T) {
	for _, tt := range []struct {
		name    string
		private bool
	}{{"public addresses only", false}, {"private ones too", true}} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSender(t, new(memory), func(c *webhook.Config) { c.AllowPrivate = tt.private })
			if s.Transport().Proxy != nil {
				t.Error("the transport has a Proxy, want none")
			}
			listener := httptest.NewServer(http.NotFoundHandler())
			defer listener.Close()
			conn, err := s.Transport().DialContext(t.Context(), "tcp", listener.Listener.Addr().(*net.TCPAddr).String())
			if err == nil {
				conn.Close()
			}
			if dialed := err == nil; dialed != tt.private {
				t.Errorf("connects to a private address: %v, want %v", dialed, tt.private)
			}
			if s.Transport().DialTLSContext != nil {
				t.Error("TLS is dialed in another way, which nothing checks")
			}
		})
	}
}

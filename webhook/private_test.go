package webhook_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"medtwin.ai/tollgate/internal/testkit"
	"medtwin.ai/tollgate/webhook"
)

func TestPublic(t *testing.T) {
	for _, tt := range []struct {
		addr string
		want bool
	}{
		{"8.8.8.8", true}, {"1.1.1.1", true}, {"100.63.255.255", true}, {"172.32.0.1", true}, {"192.0.1.1", true}, {"223.255.255.255", true},
		{"2606:4700:4700::1111", true}, {"2a00:1450:4001:81b::200e", true}, {"::ffff:8.8.8.8", true},

		{"127.0.0.1", false}, {"127.1.2.3", false}, {"0.0.0.0", false}, {"0.1.2.3", false}, {"10.0.0.1", false}, {"172.16.0.1", false},
		{"172.31.255.255", false}, {"192.168.1.1", false}, {"169.254.169.254", false}, {"100.64.0.1", false}, {"100.127.255.255", false},
		{"192.0.0.192", false}, {"192.0.2.1", false}, {"198.18.0.1", false}, {"198.19.255.255", false}, {"198.51.100.1", false},
		{"203.0.113.1", false}, {"224.0.0.1", false}, {"239.1.1.1", false}, {"240.0.0.1", false}, {"255.255.255.255", false},
		{"::", false}, {"::1", false}, {"::ffff:127.0.0.1", false}, {"::ffff:169.254.169.254", false}, {"::127.0.0.1", false},
		{"fe80::1", false}, {"fe80::1%eth0", false}, {"2606:4700::1%eth0", false}, {"fc00::1", false}, {"fd00:ec2::254", false}, {"ff02::1", false}, {"fec0::1", false},
		{"64:ff9b::7f00:1", false}, {"64:ff9b:1::1", false}, {"2002:7f00:1::1", false}, {"2001:0:7f00:1::1", false}, {"2001:db8::1", false}, {"3fff::1", false},
	} {
		if got := webhook.Public(netip.MustParseAddr(tt.addr)); got != tt.want {
			t.Errorf("%s is public: %v", tt.addr, got)
		}
	}
	if webhook.PublicOnly("tcp", "no address", nil) == nil {
		t.Error("an address that cannot be read passes")
	}
}

func TestURLs(t *testing.T) {
	strict := newSender(t, new(memory), func(c *webhook.Config) { c.AllowPrivate = false })
	local := newSender(t, new(memory), nil)
	for _, tt := range []struct {
		url           string
		strict, local bool
	}{
		{"https://example.org/hook?x=1", true, true},
		{"https://example.org:8443", true, true},
		{"https://8.8.8.8/", true, true},
		{"https://localhost/", true, true}, // a name like any other: decided about its address
		{"HTTPS://example.org/", true, true},
		{"http://example.org/", false, true},
		{"https://127.0.0.1/", false, true},
		{"https://[::1]:443/", false, true},
		{"https://169.254.169.254/latest/meta-data", false, true},
		{"https://[::ffff:10.0.0.1]/", false, true},
		{"https://[fe80::1%25eth0]/", false, true},
		{"https://user@example.org/", false, false},
		{"https://user:hunter2@example.org/", false, false},
		{"https://example.org/#", false, false},
		{"https://example.org/#fragment", false, false},
		{"ftp://example.org/", false, false},
		{"file:///etc/passwd", false, false},
		{"gopher://example.org/", false, false},
		{"https:example.org", false, false},
		{"https://", false, false},
		{"https:///path", false, false},
		{"https://:443/", false, false},
		{"//example.org", false, false},
		{"example.org", false, false},
		{"", false, false},
		{"https://example.org/\n", false, false},
		{"https://example.org/" + strings.Repeat("x", 2048), false, false},
	} {
		for _, c := range []struct {
			want *bool
			s    *sender
		}{{&tt.strict, strict}, {&tt.local, local}} {
			_, _, err := c.s.Add(t.Context(), "acct_"+tt.url[:min(len(tt.url), 40)], tt.url, nil, t0)
			if (err == nil) != *c.want || err != nil && !errors.Is(err, webhook.ErrInvalid) {
				t.Errorf("%q, private allowed %v: %v", tt.url, c.s == local, err)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error repeats the password: %v", err)
			}
		}
	}
}

// A name that stands for a private address is connected to at no attempt,
// whatever it stood for when the endpoint was made; a URL that was accepted
// when private ones were allowed is refused as well; and the owner learns
// nothing of our network from how it failed.
func TestPrivateIsNeverDialed(t *testing.T) {
	store := new(memory)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	accepted := make(chan struct{}, 10)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conn.Close()
			accepted <- struct{}{}
		}
	}()
	_, port, _ := net.SplitHostPort(listener.Addr().String())

	before := newSender(t, store, nil)
	before.add(t, "acct_http", "http://"+listener.Addr().String())
	s := newSender(t, store, func(c *webhook.Config) { c.AllowPrivate = false })
	for _, tt := range []struct{ account, url string }{
		{"acct_known", "https://localhost:" + port},
		{"acct_unknown", "https://no-such-name.invalid"},
	} {
		s.add(t, tt.account, tt.url)
	}
	errs := map[string]string{}
	for _, account := range []string{"acct_http", "acct_known", "acct_unknown"} {
		s.enqueue(t, account, "evt_1", "key.created")
	}
	s.run(t)
	for _, account := range []string{"acct_http", "acct_known", "acct_unknown"} {
		testkit.Eventually(t, "the attempt", func() bool { return s.only(t, account).Failures == 1 })
		errs[account] = s.only(t, account).Error
	}
	if len(accepted) > 0 {
		t.Error("it connected to a private address")
	}
	if errs["acct_known"] != errs["acct_unknown"] {
		t.Errorf("names that we know can be told from others: %q", errs)
	}
	if errs["acct_http"] != "the URL is not allowed" {
		t.Errorf("an endpoint of laxer times: %q", errs["acct_http"])
	}
}

// A redirect is a failure: it would lead past the checks of the URL.
func TestRedirect(t *testing.T) {
	s := newSender(t, new(memory), nil)
	target := newReceiver(t, nil)
	r := newReceiver(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, target.URL, http.StatusTemporaryRedirect)
	})
	s.add(t, "acct_1", r.URL)
	s.enqueue(t, "acct_1", "evt_1", "key.created")
	s.run(t)
	testkit.Eventually(t, "the failure", func() bool { return s.only(t, "acct_1").Error == "answered 307" })
	if len(target.all()) > 0 {
		t.Error("it followed")
	}
}

// case T7: a receiver that answers for ever or never costs no memory and no
// more than the time of an attempt.
func TestHostileReceivers(t *testing.T) {
	s := newSender(t, new(memory), nil)
	s.SetTimeout(2 * time.Second)
	written := make(chan int64, 1)
	endless := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
		n, _ := io.Copy(w, zeros{})
		written <- n
	})
	silent := newReceiver(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	headers := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Long", strings.Repeat("x", 1<<20))
	})
	tls := httptest.NewTLSServer(http.NotFoundHandler())
	defer tls.Close()
	for _, tt := range []struct{ account, url, err string }{
		{"acct_endless", endless.URL, ""},
		{"acct_silent", silent.URL, "no answer within 10 seconds"},
		{"acct_headers", headers.URL, "no HTTP answer from a public address of the host"},
		{"acct_tls", tls.URL, "the certificate is not valid for the host"},
		{"acct_down", "http://127.0.0.1:1", "no HTTP answer from a public address of the host"},
	} {
		s.add(t, tt.account, tt.url)
		s.enqueue(t, tt.account, "evt_1", "key.created")
		stop := s.run(t)
		testkit.Eventually(t, tt.account, func() bool { e := s.only(t, tt.account); return e.Failures == 1 || e.Pending == 0 })
		stop()
		if e := s.only(t, tt.account); e.Error != tt.err {
			t.Errorf("%s: %q, want %q", tt.account, e.Error, tt.err)
		}
	}
	if n := <-written; n > 64<<20 { // what the kernel's buffers hold, and no more
		t.Errorf("%d bytes of an answer were taken", n)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// case T1: no secret of an endpoint is in the store or in the log.
func TestNothingIsDisclosed(t *testing.T) {
	store := new(memory)
	s := newSender(t, store, nil)
	r := newReceiver(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("webhook-id") == "evt_1" {
			w.WriteHeader(http.StatusGone)
		}
	})
	e, whsec := s.add(t, "acct_1", r.URL+"/?password=hunter2")
	if !strings.HasPrefix(whsec, "whsec_") || len(whsec) < 6+32 {
		t.Fatalf("secret %q", whsec)
	}
	s.enqueue(t, "acct_1", "evt_0", "key.created")
	s.run(t)
	r.wait(t, 1)
	s.enqueue(t, "acct_1", "evt_1", "key.created")
	testkit.Eventually(t, "the end", func() bool { return !s.only(t, "acct_1").Gone.IsZero() })
	testkit.Eventually(t, "a line in the log that names the endpoint", func() bool { return strings.Contains(s.log.String(), e.ID) })
	haystack := s.log.String()
	if strings.Contains(haystack, "hunter2") {
		t.Errorf("the log:\n%s", haystack)
	}
	haystack += fmt.Sprintf("%+v", s.store.endpoints)
	for _, needle := range []string{strings.TrimPrefix(whsec, "whsec_"), string(secret(e.ID))} {
		if strings.Contains(haystack, needle) {
			t.Error("the secret is there")
		}
	}
}

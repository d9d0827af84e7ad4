package authn_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
)

// case T2: nothing of a credential that is refused is logged, at any level and
// in any form, whatever is wrong with it, and whether it is bad or the store
// cannot tell.
func TestInvalidCredentialsAreNotLogged(t *testing.T) {
	const secret = "s3cr3tMARK" // part of every credential below
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	d := newDoor(t, func(k *apikey.Config, c *authn.Config) { k.Logger, c.Logger, c.Cookie = log, log, "__Host-sess" })
	_, good := d.issue()
	whole := formats(t)["live"].Generate().Reveal() // well formed and unknown
	for _, tt := range []struct {
		name          string
		authorization []string
		cookie        string
		secret        string
	}{
		{"malformed", []string{"Bearer mt_live_" + secret}, "", secret},
		{"checksum", []string{"Bearer " + good[:len(good)-1] + "~"}, "", good[8:20]},
		{"unknown", []string{"Bearer " + whole}, "", whole[8:20]},
		{"another brand", []string{"Bearer sk_" + secret}, "", secret},
		{"another scheme", []string{"Basic " + secret}, "", secret},
		{"no scheme", []string{secret}, "", secret},
		{"the scheme is the secret", []string{secret + " x"}, "", secret},
		{"two values", []string{"Bearer " + secret, "Bearer " + good}, "", secret},
		{"control characters", []string{"Bearer " + secret + "\x00\n"}, "", secret},
		{"not UTF-8", []string{"Bearer \xff" + secret}, "", secret},
		{"cookie", nil, "__Host-sess=" + secret, secret},
		{"two cookies", nil, "__Host-sess=" + secret + "; __Host-sess=" + secret, secret},
	} {
		t.Run(tt.name, func(t *testing.T) {
			down := errors.New("down")
			for _, fail := range []*error{nil, &down} {
				d.spy.fail.Store(fail)
				d.now = d.now.Add(time.Minute)
				out.Reset()
				r := httptest.NewRequest("GET", "/?access_token="+tt.secret, nil)
				if tt.authorization != nil {
					r.Header["Authorization"] = tt.authorization
				}
				if tt.cookie != "" {
					r.Header.Set("Cookie", tt.cookie)
				}
				rec, passed := d.knock(r)
				if passed || rec.Code < 400 || out.Len() == 0 {
					t.Fatalf("%d, passed %v, logged %q", rec.Code, passed, out.String())
				}
				where := out.String() + rec.Body.String()
				for _, form := range []string{
					tt.secret, hex.EncodeToString([]byte(tt.secret)), url.QueryEscape(tt.secret),
					strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(tt.secret[:9])), "="),
				} {
					if strings.Contains(strings.ToLower(where), strings.ToLower(form)) {
						t.Errorf("%q in %s", form, where)
					}
				}
			}
		})
	}
}

// case T2: refusals and outages write ten lines a second each, a flood of one
// hides none of the other, and the next second says how many were left out.
func TestFailureLinesAreLimited(t *testing.T) {
	var out bytes.Buffer
	d := newDoor(t, func(_ *apikey.Config, c *authn.Config) { c.Logger = slog.New(slog.NewTextHandler(&out, nil)) })
	flood := func(n int, requests func() *http.Request) {
		for range n {
			d.knock(requests())
		}
	}
	unknown := func() *http.Request { return request("Bearer " + formats(t)["live"].Generate().Reveal()) }
	down := errors.New("down")
	lines := func(text string) int { return strings.Count(out.String(), text) }

	flood(1000, func() *http.Request { return request() })
	d.spy.fail.Store(&down)
	flood(100, unknown)
	if refused, failed := lines("request refused"), lines("credential not verified"); refused != 10 || failed != 10 {
		t.Errorf("%d lines of 1,000 refusals and %d of 100 outages in a second, want 10 each", refused, failed)
	}
	out.Reset()
	d.now = d.now.Add(time.Second)
	flood(1, unknown)
	d.spy.fail.Store(nil)
	flood(1, func() *http.Request { return request() })
	if lines("dropped=990") != 1 || lines("dropped=90") != 1 {
		t.Errorf("the next second does not count what was left out:\n%s", out.String())
	}
}

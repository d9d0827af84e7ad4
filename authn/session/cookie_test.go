package session_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/session"
)

// A cookie is read only without a header, alone, and on its own transport.
func TestCookies(t *testing.T) {
	l := newLobby(t)
	_, header := l.start()
	_, cookie := l.start(func(s *session.Spec) { s.Cookie = true })
	key := l.issue()
	name := cookieName + "="
	for _, tt := range []struct {
		name, authorization string
		cookies             []string
		status              int
	}{
		{"cookie", "", []string{name + cookie}, 200},
		{"among others", "", []string{"a=b; " + name + cookie + "; c=d"}, 200},
		{"header", "Session " + header, nil, 200},
		{"header wins", "Session " + header, []string{name + cookie}, 200},
		{"bad header, good cookie", "Session " + header + "x", []string{name + cookie}, 401}, // case S2
		{"empty header, good cookie", " ", []string{name + cookie}, 401},
		{"two cookies", "", []string{name + cookie + "; " + name + cookie}, 401}, // case S3
		{"two lines", "", []string{name + cookie, name + cookie}, 401},           // case S3
		{"cookie's token in a header", "Session " + cookie, nil, 401},            // case S4
		{"header's token in a cookie", "", []string{name + header}, 401},         // case S4
		{"a key in a cookie", "", []string{name + key}, 401},
		{"another cookie", "", []string{"sess=" + cookie}, 401},
		{"empty", "", []string{name}, 401},
		// case S27: a browser plants what only resembles the name.
		{"U+2000 before the name", "", []string{"\u2000" + name + cookie}, 401},
		{"U+0085 before the name", "", []string{"\u0085" + name + cookie}, 401},
		{"U+00A0 before the name", "", []string{"\u00a0" + name + cookie}, 401},
		{"U+2028 before the name", "", []string{"\u2028" + name + cookie}, 401},
		{"U+3000 before the name", "", []string{"\u3000" + name + cookie}, 401},
		{"vertical tab before the name", "", []string{"\v" + name + cookie}, 401},
		{"U+2000 beside the right one", "", []string{"\u2000" + name + "planted; " + name + cookie}, 200},
		{"U+2000 on a line of its own", "", []string{"\u2000" + name + "planted", name + cookie}, 200},
		{"U+2000 behind the right one", "", []string{name + cookie + ";\u2000" + name + cookie}, 200},
		{"space and tab", "", []string{"a=b;\t " + name + cookie + " \t"}, 200},
		{"long", "", []string{name + strings.Repeat("x", 1<<20)}, 401},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		if tt.authorization != "" {
			r.Header.Set("Authorization", strings.TrimSpace(tt.authorization))
		}
		for _, c := range tt.cookies {
			r.Header.Add("Cookie", c)
		}
		if rec, passed := l.knock(r); rec.Code != tt.status || passed != (tt.status == 200) {
			t.Errorf("%s: %d, passed %v", tt.name, rec.Code, passed)
		}
	}
}

// case S17: with a cookie an unsafe method must come from this origin, and so
// must a WebSocket handshake; header credentials and programs are unaffected.
func TestCrossOrigin(t *testing.T) {
	l := newLobby(t)
	_, header := l.start()
	_, cookie := l.start(func(s *session.Spec) { s.Cookie = true })
	for _, tt := range []struct {
		name, method string
		set          map[string]string
		cookie       bool
		status       int
	}{
		{"same origin", "POST", map[string]string{"Sec-Fetch-Site": "same-origin"}, true, 200},
		{"cross site", "POST", map[string]string{"Sec-Fetch-Site": "cross-site"}, true, 403},
		{"sibling host", "POST", map[string]string{"Sec-Fetch-Site": "same-site"}, true, 403},
		{"foreign origin, old browser", "DELETE", map[string]string{"Origin": "https://evil.example"}, true, 403},
		{"no browser", "POST", nil, true, 200},
		{"reading", "GET", map[string]string{"Sec-Fetch-Site": "cross-site"}, true, 200},
		{"WebSocket", "GET", map[string]string{"Origin": "https://evil.example", "Upgrade": "websocket"}, true, 403},
		{"WebSocket from here", "GET", map[string]string{"Origin": "http://example.com", "Upgrade": "websocket"}, true, 200},
		{"header", "POST", map[string]string{"Sec-Fetch-Site": "cross-site"}, false, 200},
	} {
		r := httptest.NewRequest(tt.method, "http://example.com/", nil)
		for k, v := range tt.set {
			r.Header.Set(k, v)
		}
		if tt.cookie {
			r.AddCookie(&http.Cookie{Name: cookieName, Value: cookie})
		} else {
			r.Header.Set("Authorization", "Session "+header)
		}
		if rec, passed := l.knock(r); rec.Code != tt.status || passed != (tt.status == 200) {
			t.Errorf("%s: %d %s", tt.name, rec.Code, rec.Body)
		}
	}
}

// A method that changes between two looks at a request is looked at again.
func TestCrossOriginAfterAChangeOfMethod(t *testing.T) {
	l := newLobby(t)
	_, cookie := l.start(func(s *session.Spec) { s.Cookie = true })
	r := httptest.NewRequest("GET", "http://example.com/", nil)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	r.AddCookie(&http.Cookie{Name: cookieName, Value: cookie})
	r, err := l.mw.Check(r)
	if err != nil {
		t.Fatal(err)
	}
	r.Method = "POST"
	if _, err := l.mw.Check(r); !errors.Is(err, authn.ErrCrossOrigin) {
		t.Errorf("%v, want ErrCrossOrigin", err)
	}
}

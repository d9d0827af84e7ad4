package api

import (
	"strings"
	"testing"
	"time"
)

// case T13: no cache keeps what a session or its cookie opened, be it an
// answer or an error.
func TestNoCacheKeepsWhatASessionOpened(t *testing.T) {
	d := newDesk(t)
	d.person("o@example.com", roleOwner)
	session, cookie := d.session("o@example.com"), d.cookie("o@example.com")
	for _, rt := range d.gate.Table() {
		method, path, _ := strings.Cut(rt.Pattern, " ")
		if rt.Public != "" || method != "GET" {
			continue
		}
		path = strings.NewReplacer("{id}", d.projects[0], "{project}", d.projects[0], "{user}", "user_1", "{type}", "report").Replace(path)
		for _, c := range []struct{ name, auth, header string }{{"header", session, ""}, {"cookie", "", cookie}} {
			for _, query := range []string{"", "?unknown=1"} {
				t.Run(c.name+" "+path+query, func(t *testing.T) {
					d.now = d.now.Add(time.Second)
					a := d.do("GET", path+query, c.auth, "", "Cookie", c.header)
					if got, want := a.header.Get("Cache-Control"), "private, no-store"; got != want || a.status == 401 {
						t.Errorf("got %d with Cache-Control %q, want %q", a.status, got, want)
					}
				})
			}
		}
	}
}

package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// cases T3, T4: whatever shows a secret may not be kept by caches, has it in
// the body alone, and shows it this once: no page that can be read afterwards
// has it.
func TestShownOnce(t *testing.T) {
	d := newDesk(t)
	_, owner := d.joins("acct_1", roleOwner)
	if err := d.ensureOperators(context.Background()); err != nil {
		t.Fatal(err)
	}
	_, operator := d.joins(operators, roleOperator)
	key := d.makes(owner, seedCreate)
	asked := d.must(202, "POST", "/v1/access-requests", "", wantsAccess).member(t, "id")
	d.person("ada@example.com", roleViewer)

	secrets := map[string]string{"the first key": key.Key}
	ids := []string{key.ID, asked}
	for _, c := range []struct{ path, auth, body, member string }{
		{"/v1/api-keys", owner, seedScoped, "key"},
		{"/v1/api-keys/" + key.ID + "/rotate", owner, "", "key"},
		{"/v1/webhooks", owner, `{"url":"https://hooks.example.com/in"}`, "secret"},
		{"/v1/team", owner, `{"email":"bob@example.com","role":"viewer"}`, "invitation"},
		{"/v1/operator/access-requests/" + asked + "/approve", operator, `{}`, "key"},
		{"/v1/auth/login", "", credentialsBody("ada@example.com", secret), "session_token"},
	} {
		a := d.do("POST", c.path, c.auth, c.body)
		if a.status/100 != 2 {
			t.Fatalf("%s: %d %s", c.path, a.status, a.body)
		}
		shown := a.member(t, c.member)
		if a.header.Get("Cache-Control") != "private, no-store" {
			t.Errorf("%s: Cache-Control %q", c.path, a.header.Get("Cache-Control"))
		}
		if shown == "" || strings.Count(a.body, shown) != 1 || strings.Contains(fmt.Sprint(a.header), shown) {
			t.Errorf("%s shows %q not once, or in a header: %v %s", c.path, c.member, a.header, a.body)
		}
		secrets[c.path] = shown
		if id := text(a.body, "id"); id != "" {
			ids = append(ids, id)
		}
	}

	read := 0
	for _, rt := range d.gate.Table() {
		path, ok := strings.CutPrefix(rt.Pattern, "GET ")
		if !ok {
			continue
		}
		for _, id := range ids {
			here := strings.NewReplacer("{id}", id, "{user}", id, "{project}", id, "{type}", id).Replace(path)
			for _, auth := range []string{owner, operator} {
				a := d.do("GET", here, auth, "")
				if a.status == 200 {
					read++
				}
				for where, secret := range secrets {
					if strings.Contains(a.body+fmt.Sprint(a.header), secret) {
						t.Errorf("GET %s shows what %s made", here, where)
					}
				}
			}
			if here == path {
				break
			}
		}
	}
	if read < 10 {
		t.Errorf("only %d pages could be read", read)
	}
}

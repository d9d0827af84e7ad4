package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"medtwin.ai/tollgate/store"
)

// accepts chooses a password by an invitation.
func (c *clocked) accepts(token string) int {
	c.t.Helper()
	b, err := json.Marshal(map[string]string{"token": token, "password": secret})
	if err != nil {
		c.t.Fatal(err)
	}
	return c.do("POST", "/v1/auth/accept", string(b)).status
}

// A stranger may hold the invitation of a member who was removed, was invited
// again or has got another role. It makes nobody active, and what the team says of
// the member stays true. case S28
func TestInvitationsOfATeamEnd(t *testing.T) {
	type scene struct {
		*clocked
		owner, id string
		tokens    []string // in the order in which they were made
	}
	add := func(s *scene, role string) {
		s.t.Helper()
		s.now = s.now.Add(time.Second)
		a := s.as(s.owner, "POST", "/v1/team", `{"email":"x@example.com","role":"`+role+`"}`)
		if a.status != 201 {
			s.t.Fatalf("add: %d %s", a.status, a.body)
		}
		s.id = text(a.body, "id")
		s.tokens = append(s.tokens, text(a.body, "invitation"))
	}
	remove := func(s *scene) {
		s.t.Helper()
		if a := s.as(s.owner, "DELETE", "/v1/team/"+s.id, ""); a.status != 204 {
			s.t.Fatalf("remove: %d %s", a.status, a.body)
		}
	}
	change := func(s *scene, body string) {
		s.t.Helper()
		a := s.as(s.owner, "PATCH", "/v1/team/"+s.id, body)
		if a.status != 200 || text(a.body, "status") != "invited" || a.header.Get("Cache-Control") != "no-store" {
			s.t.Fatalf("change: %d %s %v", a.status, a.body, a.header)
		}
		s.tokens = append(s.tokens, text(a.body, "invitation"))
	}
	for _, c := range []struct {
		name string
		do   func(*scene)
		last bool // the last invitation is good
	}{
		{"once", func(s *scene) {}, true},
		{"removed", func(s *scene) { remove(s) }, false},
		{"removed and invited again as admin", func(s *scene) { remove(s); add(s, roleAdmin) }, true},
		{"twice", func(s *scene) { remove(s); add(s, roleViewer); remove(s); add(s, roleAdmin) }, true},
		{"another role", func(s *scene) { change(s, `{"role":"admin"}`) }, true},
		{"invited again", func(s *scene) { change(s, `{}`) }, true},
		{"removed behind the server's back", func(s *scene) {
			if err := s.Memberships().Remove(s.t.Context(), "acct_1", s.id); err != nil {
				s.t.Fatal(err)
			}
		}, false},
		{"and back", func(s *scene) {
			err := s.Memberships().Remove(s.t.Context(), "acct_1", s.id)
			if err == nil {
				err = s.Memberships().Put(s.t.Context(), store.Membership{User: s.id, Account: "acct_1", Role: roleViewer, Created: s.now.Add(time.Hour)})
			}
			if err != nil {
				s.t.Fatal(err)
			}
		}, false},
		{"adopted by the operator", func(s *scene) {
			if _, err := s.addUser(s.t.Context(), "x@example.com", "", "", "acct_1", roleAdmin); err != nil {
				s.t.Fatal(err)
			}
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &scene{clocked: newClocked(t, "standard", "")}
			s.person("o@example.com", roleOwner)
			s.owner = s.session("o@example.com")
			add(s, roleViewer)
			c.do(s)
			for i, token := range s.tokens {
				if i < len(s.tokens)-1 || !c.last {
					if got := s.accepts(token); token == "" || got != 400 {
						t.Errorf("invitation %d of %d: got %d, want 400", i+1, len(s.tokens), got)
					}
				}
			}
			if user, err := s.Users().Get(t.Context(), s.id); err != nil || user.Password != "" {
				t.Errorf("somebody has a password: %+v, %v", user, err)
			}
			if c.last {
				if got := s.accepts(s.tokens[len(s.tokens)-1]); got != 204 {
					t.Errorf("the last invitation: got %d, want 204", got)
				}
				for i, token := range s.tokens {
					if got := s.accepts(token); got != 400 {
						t.Errorf("invitation %d once more: got %d, want 400", i+1, got)
					}
				}
			}
		})
	}
}

// A request to remove another account's user ends nothing there.
func TestRemovalEndsNoForeignInvitation(t *testing.T) {
	c := newClocked(t, "standard", "")
	if err := c.Accounts().Create(t.Context(), store.Account{ID: "acct_2", Status: 1, Created: c.now}); err != nil {
		t.Fatal(err)
	}
	c.person("o@example.com", roleOwner)
	if _, err := c.addUser(t.Context(), "p@example.com", "", secret, "acct_2", roleOwner); err != nil {
		t.Fatal(err)
	}
	made := c.as(c.session("o@example.com"), "POST", "/v1/team", `{"email":"x@example.com","role":"viewer"}`)
	if a := c.as(c.session("p@example.com"), "DELETE", "/v1/team/"+text(made.body, "id"), ""); a.status != 404 {
		t.Errorf("got %d, want 404", a.status)
	}
	if got := c.accepts(text(made.body, "invitation")); got != 204 {
		t.Errorf("the invitation: got %d, want 204", got)
	}
}

// The keys of somebody whom the operator adopts end with the membership that the
// account loses.
func TestAdoptionEndsKeys(t *testing.T) {
	c := newClocked(t, "standard", "")
	c.person("o@example.com", roleOwner)
	owner := c.session("o@example.com")
	made := c.as(owner, "POST", "/v1/team", `{"email":"x@example.com","role":"editor"}`)
	if got := c.accepts(text(made.body, "invitation")); got != 204 {
		t.Fatalf("accept: %d", got)
	}
	key := text(c.as(c.session("x@example.com"), "POST", "/v1/api-keys", `{"name":"k","permissions":["read"]}`).body, "key")
	if a := c.call("GET", "/v1/whoami", key, ""); a.status != 200 {
		t.Fatalf("the key: %d %s", a.status, a.body)
	}
	if _, err := c.addUser(t.Context(), "x@example.com", "", "", "acct_1", roleEditor); err != nil {
		t.Fatal(err)
	}
	c.now = c.now.Add(time.Minute)
	if a := c.call("GET", "/v1/whoami", key, ""); a.status != 401 || !strings.HasPrefix(key, "mt_live_") {
		t.Errorf("the key after: got %d, want 401", a.status)
	}
}

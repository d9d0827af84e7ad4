package apikey_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authz"
)

// What a key is read with is bounded, no matter who makes or changes the key.
func TestKeysAreBounded(t *testing.T) {
	addresses := func(n int) (list []netip.Prefix) {
		for i := range n {
			list = append(list, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(i), 0}), 24))
		}
		return list
	}
	names := func(n int) authz.Set {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprint("n", i))
		}
		return authz.Of(list...)
	}
	long := func(n int) authz.Set { return authz.Of(strings.Repeat("x", n)) }
	for _, tt := range []struct {
		name   string
		change func(*apikey.Spec)
		reason string // "": it is granted
	}{
		{"100 addresses", func(s *apikey.Spec) { s.Addresses = addresses(100) }, ""},
		{"101 addresses", func(s *apikey.Spec) { s.Addresses = addresses(101) }, "101 addresses, over 100"},
		{"1,000 projects", func(s *apikey.Spec) { s.Grant.Scope["projects"] = names(1000) }, ""},
		{"1,001 projects", func(s *apikey.Spec) { s.Grant.Scope["projects"] = names(1001) }, "scope.projects: 1001 names, over 1000"},
		{"a project of 128", func(s *apikey.Spec) { s.Grant.Scope["projects"] = long(128) }, ""},
		{"a project of 129", func(s *apikey.Spec) { s.Grant.Scope["projects"] = long(129) }, "scope.projects: a name of 129 bytes"},
		{"1,000 endpoints", func(s *apikey.Spec) { s.Grant.Endpoints = names(1000) }, ""},
		{"1,001 endpoints", func(s *apikey.Spec) { s.Grant.Endpoints = names(1001) }, "endpoints: 1001 names"},
		{"an endpoint of 129", func(s *apikey.Spec) { s.Grant.Endpoints = long(129) }, "endpoints: a name of 129 bytes"},
		{"1,001 permissions", func(s *apikey.Spec) { s.Grant.Permissions = names(1001) }, "permissions: 1001 names"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDoor(t)
			old, _ := d.issue()
			spec := d.spec()
			tt.change(&spec)
			_, _, made := d.keys.Issue(t.Context(), d.op, spec, d.now)
			_, updated := d.keys.Update(t.Context(), d.op, old.ID, apikey.Change{Grant: &spec.Grant, Addresses: &spec.Addresses}, d.now)
			for _, c := range []struct {
				what string
				err  error
			}{{"made", made}, {"updated", updated}} {
				switch {
				case tt.reason == "" && c.err != nil:
					t.Errorf("%s: %v", c.what, c.err)
				case tt.reason != "" && (!errors.Is(c.err, authn.ErrInvalid) || !strings.Contains(c.err.Error(), tt.reason) || len(c.err.Error()) > 200):
					t.Errorf("%s: %.200v, want ErrInvalid: %s", c.what, c.err, tt.reason)
				}
			}
		})
	}
}

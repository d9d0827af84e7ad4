package apikey

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

// case A2, expiry: a principal that expires hands out nothing that outlives it. A
// session is the exception, because its user does not end with it. No kind of
// principal that manages keys expires yet, so this tests the rule that all of them
// go through.
func TestNobodyOutlivesTheCaller(t *testing.T) {
	model, err := authz.NewModel(authz.ModelConfig{Permissions: []string{"read"}})
	if err != nil {
		t.Fatal(err)
	}
	var k Manager
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	const token authn.Kind = 99
	for _, tt := range []struct {
		name         string
		kind         authn.Kind
		caller, wish time.Time
		ok           bool
	}{
		{"earlier", token, now.Add(time.Hour), now.Add(time.Minute), true},
		{"with it", token, now.Add(time.Hour), now.Add(time.Hour), true},
		{"later", token, now.Add(time.Hour), now.Add(time.Hour + 1), false},
		{"never", token, now.Add(time.Hour), time.Time{}, false},
		{"who never ends", token, time.Time{}, time.Time{}, true},
		{"session, never", authn.KindSession, now.Add(time.Hour), time.Time{}, true},
		{"operator's never", authn.KindOperator, now.Add(time.Hour), time.Time{}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			by := &authn.Principal{Kind: tt.kind, Expires: tt.caller, Rights: model.Rights(authz.Active, []authz.Grant{model.Everything()})}
			err := k.handsOut(by, store.Key{Grant: model.Everything(), Expires: tt.wish})
			denied, ok := errors.AsType[*authz.DeniedError](err)
			if tt.ok != (err == nil) || !tt.ok && (!ok || denied.Decision.Code != "scope_exceeds_caller" || denied.Decision.Dimension != "expiry") {
				t.Error(err)
			}
		})
	}
}

func TestWithin(t *testing.T) {
	parse := func(texts ...string) (list []netip.Prefix) {
		for _, text := range texts {
			list = append(list, netip.MustParsePrefix(text))
		}
		return list
	}
	for _, tt := range []struct {
		name string
		a, b []netip.Prefix
		want bool
	}{
		{"everywhere in everywhere", nil, nil, true},
		{"somewhere in everywhere", parse("10.0.0.0/8"), nil, true},
		{"everywhere in somewhere", nil, parse("10.0.0.0/8"), false},
		{"the same", parse("10.0.0.0/8"), parse("10.0.0.0/8"), true},
		{"a part", parse("10.1.0.0/16", "2001:db8::/48"), parse("2001:db8::/32", "10.0.0.0/8"), true},
		{"more than all", parse("0.0.0.0/0"), parse("10.0.0.0/8"), false},
		{"one outside", parse("10.1.0.0/16", "192.0.2.0/24"), parse("10.0.0.0/8"), false},
		{"two halves", parse("10.0.0.0/8"), parse("10.0.0.0/9", "10.128.0.0/9"), false},
		{"the other family", parse("::/0"), parse("0.0.0.0/0"), false},
	} {
		if got := within(tt.a, tt.b); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

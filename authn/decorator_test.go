package authn_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
)

// strict is somebody's authenticator around ours.
type strict struct {
	*apikey.Manager
	blocked bool
}

func (s *strict) Authenticate(ctx context.Context, c authn.Credential, now time.Time) (*authn.Principal, error) {
	if s.blocked {
		return nil, authn.ErrRejected
	}
	return s.Manager.Authenticate(ctx, c, now)
}

// anyStrict is the same around whatever has a memory.
type anyStrict struct {
	authn.Rememberer
	blocked *bool
}

func (s anyStrict) Authenticate(ctx context.Context, c authn.Credential, now time.Time) (*authn.Principal, error) {
	if *s.blocked {
		return nil, authn.ErrRejected
	}
	return s.Rememberer.Authenticate(ctx, c, now)
}

// labelled is a decorator that writes to what it is given.
type labelled struct{ *apikey.Manager }

func (l labelled) Authenticate(ctx context.Context, c authn.Credential, now time.Time) (*authn.Principal, error) {
	p, err := l.Manager.Authenticate(ctx, c, now)
	if err == nil {
		p.Account += "+"
	}
	return p, err
}

// case K13: what a decorator writes to the principal does not reach the memory.
func TestDecoratorWritesToItsOwn(t *testing.T) {
	d := newDoor(t)
	_, token := d.issue()
	mw, err := authn.New(authn.Config{Authenticators: []authn.Authenticator{labelled{d.keys}}, Now: func() time.Time { return d.now }})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		r, err := mw.Check(request("Bearer " + token))
		if err != nil {
			t.Fatal(err)
		}
		if p, _ := authn.FromContext(r.Context()); p.Account != account+"+" {
			t.Errorf("got account %q, want %q", p.Account, account+"+")
		}
	}
}

type refuseAll struct{}

func (refuseAll) Authenticate(context.Context, authn.Credential, time.Time) (*authn.Principal, error) {
	return nil, authn.ErrRejected
}

// What is remembered passes no authenticator that may mean to refuse.
func TestMemoryPassesNobodyBy(t *testing.T) {
	d := newDoor(t)
	_, token := d.issue()
	blocked := false
	outer := &strict{Manager: d.keys}
	for _, tt := range []struct {
		name string
		as   []authn.Authenticator
	}{
		{"a decorator", []authn.Authenticator{outer}},
		{"a decorator, to another", []authn.Authenticator{outer, d.keys}},
		{"one of any Rememberer", []authn.Authenticator{anyStrict{d.keys, &blocked}}},
		{"one of a decorator", []authn.Authenticator{anyStrict{outer, &blocked}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			mw, err := authn.New(authn.Config{Authenticators: tt.as, Now: func() time.Time { return d.now }})
			if err != nil {
				t.Fatal(err)
			}
			outer.blocked, blocked = false, false
			if _, err := mw.Check(request("Bearer " + token)); err != nil {
				t.Fatal(err)
			}
			outer.blocked, blocked = true, true
			if _, err := mw.Check(request("Bearer " + token)); !errors.Is(err, authn.ErrRejected) {
				t.Errorf("past %s: %v", tt.name, err)
			}
		})
	}
	mw, err := authn.New(authn.Config{Authenticators: []authn.Authenticator{refuseAll{}, d.keys}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := mw.Check(request("Bearer " + token)); !errors.Is(err, authn.ErrRejected) {
		t.Errorf("past an earlier authenticator: %v", err)
	}
}

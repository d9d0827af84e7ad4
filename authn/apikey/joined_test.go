package apikey_test

import (
	"errors"
	"testing"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/store"
)

// Somebody who has been removed since their rights were read gets no key, and
// neither does a rotation leave one.
func TestNoKeyForThoseWhoHaveGone(t *testing.T) {
	d := newDoor(t)
	d.hire()
	by := d.person(bob)
	old, _ := d.issueBy(by)
	if err := d.store.Memberships().Remove(t.Context(), account, bob); err != nil {
		t.Fatal(err)
	}
	_, token, err := d.keys.Issue(t.Context(), by, apikey.Spec{Name: "k", Environment: "live", Grant: d.small()}, d.now)
	if !errors.Is(err, authn.ErrForbidden) || !token.IsZero() {
		t.Errorf("Issue: got %v, want ErrForbidden and no key", err)
	}
	_, token, err = d.keys.Rotate(t.Context(), by, old.ID, time.Hour, d.now)
	if !errors.Is(err, store.ErrInactive) || !token.IsZero() {
		t.Errorf("Rotate: got %v, want ErrInactive and no key", err)
	}
	if keys, err := d.keys.List(t.Context(), d.op, "", 10); err != nil || len(keys) != 1 {
		t.Errorf("got %d keys, %v; want the old one", len(keys), err)
	}
}

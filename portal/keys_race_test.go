package portal_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"medtwin.ai/tollgate/store"
)

// raced calls between before the second reading of a key.
type raced struct {
	store.KeyAdmin
	reads   atomic.Int32
	between func()
}

func (s *raced) Get(ctx context.Context, account, id string) (store.Key, error) {
	if s.reads.Add(1) == 2 {
		s.between()
	}
	return s.KeyAdmin.Get(ctx, account, id)
}

// racing is a store whose keys are raced for.
type racing struct {
	store.Store
	keys *raced
}

func (s racing) KeyAdmin() store.KeyAdmin { return s.keys }

// A change of the permissions does not undo the scope that another gave the
// key at the same time.
func TestUpdatesMeet(t *testing.T) {
	quick := newDesk(t)
	_, owner := quick.joins("acct_1", "owner")
	key := quick.makes(owner, seedCreate)
	slow := &raced{KeyAdmin: quick.config.Store.KeyAdmin(), between: func() {
		quick.must(200, "PATCH", "/api-keys/"+key.ID, owner, `{"scope":{"projects":["proj_abc123"]}}`)
	}}
	d := newDesk(t, func(d *desk) {
		d.setNow(quick.time())
		d.config.Secrets, d.config.Store = quick.config.Secrets, racing{quick.config.Store, slow}
	})
	if a := d.must(409, "PATCH", "/api-keys/"+key.ID, owner, `{"permissions":["read"]}`); a.code() != "conflict" {
		t.Errorf("got %s, want conflict", a.body)
	}
	a := d.must(200, "PATCH", "/api-keys/"+key.ID, owner, `{"permissions":["read"]}`)
	if want := `"permissions":["read"],"scope":{"projects":["proj_abc123"]}`; !strings.Contains(a.body, want) {
		t.Errorf("got %s, want %s in it", a.body, want)
	}
}

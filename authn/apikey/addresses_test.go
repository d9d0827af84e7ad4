package apikey_test

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
)

// bound limits a key to a network.
func bound(s *apikey.Spec) { s.Addresses = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} }

// remembering is a door that believes for long what it has read once.
func remembering(t *testing.T) *door {
	t.Helper()
	return newDoor(t, func(k *apikey.Config, _ *authn.Config) { k.Lease = time.Hour })
}

// A use that is refused for its address is none: it is not recorded, whether the
// key is remembered or not; one that is admitted is, from memory too.
func TestRefusedUseIsNoUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := remembering(t)
		d.now = time.Now()
		key, token := d.issue(bound)
		ctx, cancel := context.WithCancel(t.Context())
		go d.keys.Run(ctx)
		var last time.Time // admitted
		for i, step := range []struct {
			from  string
			want  int
			finds int64
		}{
			{"192.0.2.1:1", 403, 1}, {"192.0.2.1:1", 403, 1}, {"10.0.0.1:1", 200, 1}, // read
			{"192.0.2.1:1", 403, 0}, {"10.0.0.2:1", 200, 0}, {"192.0.2.1:1", 403, 0}, // remembered
		} {
			time.Sleep(2 * time.Minute) // of another minute than the use before, which is written by then
			d.now = time.Now()
			r := request("Bearer " + token)
			r.RemoteAddr = step.from
			before := d.spy.finds.Load()
			if rec, _ := d.knock(r); rec.Code != step.want || d.spy.finds.Load()-before != step.finds {
				t.Errorf("%d, from %s: %d with %d look-ups, want %d with %d", i, step.from, rec.Code, d.spy.finds.Load()-before, step.want, step.finds)
			}
			if step.want == 200 {
				last = d.now
			}
			time.Sleep(30 * time.Second)
			synctest.Wait()
			if got := d.stored(key.ID).Used; got.Sub(last).Abs() > time.Microsecond {
				t.Errorf("%d, from %s: used %v, want %v", i, step.from, got, last)
			}
		}
		cancel()
		synctest.Wait()
	})
}

// Authenticate refuses nobody for their address, and notes the use unless the
// Middleware will refuse it. Memory alone answers only from an admitted address.
func TestUseByAddress(t *testing.T) {
	for _, tt := range []struct {
		name             string
		from             netip.Addr
		recalled, usedBy bool // whether Recall, and whether Authenticate counts it
	}{
		{"admitted", netip.MustParseAddr("10.0.0.1"), true, true},
		{"elsewhere", netip.MustParseAddr("192.0.2.1"), false, false},
		{"nobody says", netip.Addr{}, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, byMemory := range []bool{true, false} {
				d := remembering(t)
				key, token := d.issue(bound)
				c := authn.NewCredential("bearer", token)
				if _, err := d.keys.Authenticate(t.Context(), c, d.now); err != nil {
					t.Fatal(err)
				}
				first := d.now
				d.now = d.now.Add(2 * time.Minute)
				if tt.from.IsValid() {
					c = c.At(tt.from)
				}
				used := tt.usedBy
				if byMemory {
					used = tt.recalled
					if got := recall(d.keys, c, d.now) != nil; got != tt.recalled {
						t.Errorf("recalled %v", got)
					}
				} else if p, err := d.keys.Authenticate(t.Context(), c, d.now); err != nil || p.ID != key.ID {
					t.Error(err)
				}
				want := map[bool]time.Time{true: d.now, false: first}[used]
				ended, cancel := context.WithCancel(t.Context())
				cancel()
				if err := d.keys.Run(ended); !errors.Is(err, context.Canceled) { // records the last
					t.Fatal(err)
				}
				if got := d.stored(key.ID).Used; !got.Equal(want) {
					t.Errorf("by memory %v: used %v, want %v", byMemory, got, want)
				}
			}
		})
	}
}

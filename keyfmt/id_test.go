package keyfmt

import (
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"
)

// decodeID reads the 26 characters as one number in base 32, which is another
// way than the one they were written.
func decodeID(t *testing.T, id string) (ms int64, random *big.Int) {
	t.Helper()
	n := new(big.Int)
	for _, c := range strings.TrimPrefix(id, "key_") {
		d := strings.IndexRune("0123456789ABCDEFGHJKMNPQRSTVWXYZ", c)
		if d < 0 {
			t.Fatalf("%s: %q is no digit", id, c)
		}
		n.Add(n.Lsh(n, 5), big.NewInt(int64(d)))
	}
	mask := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 80), big.NewInt(1))
	random = mask.And(mask, n)
	return n.Rsh(n, 80).Int64(), random
}

func TestNewID(t *testing.T) {
	var ids []string
	for _, at := range []time.Time{
		time.UnixMilli(0),
		time.UnixMilli(1),
		time.UnixMilli(31),
		time.UnixMilli(32),
		time.Date(2026, 1, 30, 12, 0, 0, 999_999_999, time.UTC),
		time.Date(2026, 1, 30, 14, 0, 1, 0, time.FixedZone("", 2*60*60)),
		time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC),
		time.UnixMilli(1<<48 - 1),
	} {
		id := NewID("key_", at)
		if len(id) != 4+26 || !strings.HasPrefix(id, "key_") {
			t.Fatalf("at %v: %q", at, id)
		}
		if ms, _ := decodeID(t, id); ms != at.UnixMilli() {
			t.Errorf("at %v: %q spells %d ms", at, id, ms)
		}
		ids = append(ids, id)
	}
	if !slices.IsSorted(ids) {
		t.Errorf("ids do not sort by time: %q", ids)
	}
	if ms, _ := decodeID(t, NewID("key_", time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC))); ms != 0 {
		t.Errorf("before 1970: %d ms, want 0", ms)
	}
}

// All 80 bits are drawn: in 200 ids each is seen set and unset, but by a
// chance of 2^-192.
func TestNewIDIsRandom(t *testing.T) {
	now := time.Date(2026, 1, 30, 12, 0, 0, 0, time.UTC)
	var set [80]int
	for range 200 {
		_, random := decodeID(t, NewID("key_", now))
		for i := range set {
			set[i] += int(random.Bit(i))
		}
	}
	for i, n := range set {
		if n == 0 || n == 200 {
			t.Errorf("bit %d is set in %d of 200 ids", i, n)
		}
	}
}

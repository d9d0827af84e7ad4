package redisstore

import (
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"time"

	"medtwin.ai/tollgate/store"
)

// fields are the fields of a record in the order in which they are read. Times are
// microseconds since 1970. Zero and empty values are left out, except the sum, which
// every record has.
var fields = []string{
	"user", "account", "pepper", "sum", "epoch", "cookie", "created", "seen", "expires", "revoked", "idle", "address", "agent",
}

// encode returns the fields of s, each followed by its value.
func encode(s store.Session) []any {
	var list []any
	for i, value := range []string{ // as in fields
		s.User, s.Account, s.Digest.Pepper, hex.EncodeToString(s.Digest.Sum[:]), number(s.Epoch), number(flag(s.Cookie)),
		micros(s.Created), micros(s.Seen), micros(s.Expires), micros(s.Revoked), number(s.Idle.Microseconds()), s.Address, s.Agent,
	} {
		if value != "" {
			list = append(list, fields[i], value)
		}
	}
	return list
}

// decode returns the session with this id and these values of its fields, or false if
// there is none.
func decode(id string, values []any) (s store.Session, ok bool, err error) {
	if len(values) != len(fields) {
		return s, false, fmt.Errorf("session %q has %d fields, want %d", id, len(values), len(fields))
	}
	r := reader{values: values}
	s.ID, s.User, s.Account, s.Digest.Pepper = id, r.text(), r.text(), r.text()
	sum := r.text()
	if sum == "" {
		return s, false, nil
	}
	if raw, err := hex.DecodeString(sum); err != nil || copy(s.Digest.Sum[:], raw) != len(raw) || len(raw) != len(s.Digest.Sum) {
		return s, false, fmt.Errorf("session %q: its digest is damaged", id)
	}
	s.Epoch, s.Cookie = r.number(), r.number() != 0
	s.Created, s.Seen, s.Expires, s.Revoked = r.instant(), r.instant(), r.instant(), r.instant()
	s.Idle = time.Duration(r.number()) * time.Microsecond
	s.Address, s.Agent = r.text(), r.text()
	if r.err != nil {
		return s, false, fmt.Errorf("session %q: %w", id, r.err)
	}
	return s, true, nil
}

// A reader reads values one after the other.
type reader struct {
	values []any
	err    error // the first error
}

func (r *reader) text() string {
	s, _ := r.values[0].(string) // nil if it is left out
	r.values = r.values[1:]
	return s
}

func (r *reader) number() int64 {
	s := r.text()
	if s == "" {
		return 0
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if r.err == nil {
		r.err = err
	}
	return n
}

func (r *reader) instant() time.Time {
	if r.values[0] == nil {
		r.text()
		return time.Time{}
	}
	return time.UnixMicro(r.number()).UTC()
}

// micros returns a time as it is stored. Lua compares such times exactly up to 2^53
// microseconds, which is in the year 2255.
func micros(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return strconv.FormatInt(t.UnixMicro(), 10)
}

func number(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// life is how long Redis keeps a session after it is written. It does not depend on the
// clock of Redis.
func (s *Store) life(o store.Session) time.Duration {
	left := time.Duration(0)
	if !o.Expires.IsZero() { // otherwise the session is not live, and is kept as information only
		left = max(0, o.Expires.Sub(o.Created))
	}
	return min(left, longest) + s.retention
}

// longest is the longest life that Redis is told.
const longest = time.Duration(math.MaxInt64 / 4) // 73 years

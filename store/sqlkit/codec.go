package sqlkit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"unicode/utf8"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

// The types here are what columns are read into. Each has the method Scan of a
// [database/sql.Scanner], and ScanBytes, which pgx prefers because it does not copy.

// raw returns the text or bytes of a column.
func raw(column any) []byte {
	switch v := column.(type) {
	case []byte:
		return v
	case string:
		return []byte(v)
	}
	return nil
}

// A sum is a digest. NULL is the zero one.
type sum [32]byte

// Scan implements [database/sql.Scanner].
func (s *sum) Scan(column any) error { return s.ScanBytes(raw(column)) }

// ScanBytes reads a digest.
func (s *sum) ScanBytes(v []byte) error {
	if v == nil {
		*s = sum{}
		return nil
	}
	if len(v) != len(s) {
		return fmt.Errorf("a digest of %d bytes, want %d", len(v), len(s))
	}
	copy(s[:], v)
	return nil
}

// A status is what a status is read into. NULL, the status of a newer release and one
// that was misspelt by hand become the zero status, which denies.
type status authz.Status

// Scan implements [database/sql.Scanner].
func (s *status) Scan(column any) error { return s.ScanBytes(raw(column)) }

// ScanBytes reads the text of a status.
func (s *status) ScanBytes(v []byte) error {
	*s = 0
	if len(v) > 0 { // a key without a person has none
		parsed, _ := authz.ParseStatus(string(v))
		*s = status(parsed)
	}
	return nil
}

// A grant in JSON. One that cannot be read allows nothing: its key is refused and can
// be revoked, and the others of its account still work.
type grant authz.Grant

// Scan implements [database/sql.Scanner].
func (g *grant) Scan(column any) error { return g.ScanBytes(raw(column)) }

// ScanBytes reads a grant.
func (g *grant) ScanBytes(v []byte) error {
	// Not json.Unmarshal, which would read it twice more: UnmarshalJSON checks it.
	if (*authz.Grant)(g).UnmarshalJSON(v) != nil {
		*g = grant{}
	}
	return nil
}

// addresses are prefixes in JSON. A list that cannot be read allows no address,
// because an empty list would allow any.
type addresses []netip.Prefix

// Scan implements [database/sql.Scanner].
func (a *addresses) Scan(column any) error { return a.ScanBytes(raw(column)) }

// ScanBytes reads a list of prefixes.
func (a *addresses) ScanBytes(v []byte) error {
	if string(v) != "[]" && !decode(v, (*[]netip.Prefix)(a)) {
		*a = addresses{netip.PrefixFrom(netip.IPv6Unspecified(), 128)}
	}
	return nil
}

// A memberScope is a membership whose scope is read, from JSON, after its role. If the
// scope cannot be read, the role is removed: without a scope it would be the whole
// role.
type memberScope store.Membership

// Scan implements [database/sql.Scanner].
func (m *memberScope) Scan(column any) error { return m.ScanBytes(raw(column)) }

// ScanBytes reads a scope.
func (m *memberScope) ScanBytes(v []byte) error {
	if string(v) != "{}" && !decode(v, &m.Scope) {
		m.Scope, m.Role = nil, ""
	}
	return nil
}

// An offeredScope is a memberScope of an invitation.
type offeredScope store.Invitation

// Scan implements [database/sql.Scanner].
func (o *offeredScope) Scan(column any) error { return o.ScanBytes(raw(column)) }

// ScanBytes reads a scope.
func (o *offeredScope) ScanBytes(v []byte) error {
	if string(v) != "{}" && !decode(v, &o.Scope) {
		o.Scope, o.Role = nil, ""
	}
	return nil
}

// decode reads JSON. It refuses null, which Go takes for an empty list or map.
func decode(v []byte, into any) bool {
	return string(bytes.TrimSpace(v)) != "null" && json.Unmarshal(v, into) == nil
}

// Grant returns a grant as it is written: as JSON.
func Grant(g authz.Grant) (string, error) {
	b, err := json.Marshal(g)
	return string(b), err
}

// Scope returns a scope as it is written: as JSON, and never null.
func Scope(scope map[string]authz.Set) (string, error) {
	if len(scope) == 0 {
		return "{}", nil
	}
	for kind := range scope {
		if !utf8.ValidString(kind) { // json.Marshal would write another kind
			return "", fmt.Errorf("the kind %q is not UTF-8", kind)
		}
	}
	b, err := json.Marshal(scope)
	return string(b), err
}

// Addresses returns a list of prefixes as it is written: as JSON, and never null.
func Addresses(list []netip.Prefix) (string, error) {
	if len(list) == 0 {
		return "[]", nil
	}
	b, err := json.Marshal(list)
	return string(b), err
}

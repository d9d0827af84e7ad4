package sqlitestore

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

const (
	keyColumns = `k.id, k.account, k.created_by, k.name, k.environment, k.hint, k.pepper, k.sum, k.grants,
		k.addresses, k.plan, k.created, k.expires, k.revoked, k.used, k.reason, k.family, k.replaces,
		k.grace, k.idempotency, coalesce(k.request, zeroblob(32)), k.owner, k.import, k.disabled`
	accountColumns = `a.id, a.name, a.status, a.plan, a.limits, a.created`
)

// keyFields are where keyColumns are read into.
func keyFields(k *store.Key) []any {
	return []any{&k.ID, &k.Account, &k.CreatedBy, &k.Name, &k.Environment, &k.Hint, &k.Digest.Pepper, (*sum)(&k.Digest.Sum),
		(*grant)(&k.Grant), (*addresses)(&k.Addresses), &k.Plan, (*instant)(&k.Created), (*instant)(&k.Expires), (*instant)(&k.Revoked),
		(*instant)(&k.Used), &k.Reason, &k.Family, &k.Replaces, (*span)(&k.Grace), &k.Idempotency, (*sum)(&k.Request),
		&k.Owner, &k.Import, (*instant)(&k.Disabled)}
}

// accountFields are where accountColumns are read into.
func accountFields(a *store.Account) []any {
	return []any{&a.ID, &a.Name, (*status)(&a.Status), &a.Plan, &a.Limits, (*instant)(&a.Created)}
}

// one reads a row that may not be there.
func one[T any](what string, row *sql.Row, fields func(*T) []any) (T, error) {
	var t, none T
	if err := row.Scan(fields(&t)...); err != nil {
		return none, answer(what, err)
	}
	return t, nil
}

// many reads all rows.
func many[T any](what string, rows *sql.Rows, err error, fields func(*T) []any) ([]T, error) {
	list, err := collect(rows, err, fields)
	if err != nil {
		return nil, answer(what, err)
	}
	return list, nil
}

// collect reads all rows with scan, which gets the fields of the next one.
func collect[T any](rows *sql.Rows, err error, fields func(*T) []any) ([]T, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []T
	for rows.Next() {
		var t T
		if err := rows.Scan(fields(&t)...); err != nil {
			return nil, err
		}
		list = append(list, t)
	}
	return list, rows.Err()
}

// micros is how an instant is written: NULL for never.
func micros(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

type instant time.Time

// Scan implements [sql.Scanner].
func (i *instant) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*i = instant{}
	case int64:
		*i = instant(time.UnixMicro(v).UTC())
	default:
		return fmt.Errorf("a time is %T, want microseconds", v)
	}
	return nil
}

type span time.Duration

// Scan implements [sql.Scanner].
func (s *span) Scan(v any) error {
	n, ok := v.(int64)
	if !ok {
		return fmt.Errorf("a duration is %T, want microseconds", v)
	}
	*s = span(time.Duration(n) * time.Microsecond)
	return nil
}

type sum [32]byte

// Scan implements [sql.Scanner].
func (s *sum) Scan(v any) error {
	b, _ := v.([]byte)
	if len(b) != len(s) {
		return fmt.Errorf("a digest is %T of %d bytes, want %d", v, len(b), len(s))
	}
	copy(s[:], b)
	return nil
}

type status authz.Status

// Scan implements [sql.Scanner]. A status of a newer release, or of a slip of
// the operator's hand, becomes the zero one, which denies: it must not be an
// outage.
func (s *status) Scan(v any) error {
	text, ok := v.(string)
	if !ok {
		return fmt.Errorf("a status is %T, want text", v)
	}
	parsed, _ := authz.ParseStatus(text)
	*s = status(parsed)
	return nil
}

// A grant in JSON. One that cannot be read, after a slip by hand, allows
// nothing: its key is refused and can be revoked, and the others of its account
// still work.
type grant authz.Grant

// Scan implements [sql.Scanner].
func (g *grant) Scan(v any) error {
	text, ok := v.(string)
	// Not json.Unmarshal, which would read it twice more.
	if !ok || (*authz.Grant)(g).UnmarshalJSON([]byte(text)) != nil {
		*g = grant{}
	}
	return nil
}

// addresses are prefixes in JSON. A list that cannot be read allows no address,
// because an empty list would allow any.
type addresses []netip.Prefix

// Scan implements [sql.Scanner].
func (a *addresses) Scan(v any) error {
	if !decode(v, (*[]netip.Prefix)(a)) {
		*a = addresses{netip.PrefixFrom(netip.IPv6Unspecified(), 128)}
	}
	return nil
}

// scope is the scope of a membership, in JSON. If it cannot be read, the role is
// removed, because no scope would be the whole role. Read it after the role.
type scope store.Membership

// Scan implements [sql.Scanner].
func (s *scope) Scan(v any) error {
	if v != "{}" && !decode(v, &s.Scope) {
		s.Scope, s.Role = nil, ""
	}
	return nil
}

// decode reads JSON. The null that Go takes for an empty list or map is none.
func decode(column, into any) bool {
	text, ok := column.(string)
	return ok && strings.TrimSpace(text) != "null" && json.Unmarshal([]byte(text), into) == nil
}

// object returns a scope as it is written: never null.
func object(scope map[string]authz.Set) (string, error) {
	if len(scope) == 0 {
		return "{}", nil
	}
	for kind := range scope {
		if !utf8.ValidString(kind) { // json.Marshal would make it another one
			return "", fmt.Errorf("the kind %q is not UTF-8", kind)
		}
	}
	b, err := json.Marshal(scope)
	return string(b), err
}

// array returns a list as it is written: never null.
func array[T any](list []T) (string, error) {
	if len(list) == 0 {
		return "[]", nil
	}
	b, err := json.Marshal(list)
	return string(b), err
}

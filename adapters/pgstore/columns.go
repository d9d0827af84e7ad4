package pgstore

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgtype"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/store"
)

const (
	keyColumns = `k.id, k.account, k.owner, k.created_by, k.name, k.environment, k.hint, k.pepper, k.sum, k.import,
		k.grants, k.addresses, k.plan, k.created, k.expires, k.revoked, k.disabled, k.used, k.reason, k.family,
		k.replaces, k.grace, k.idempotency, k.request`
	accountColumns = `a.id, a.name, a.status, a.plan, a.limits, a.created`
)

// keyFields are where keyColumns are read into.
func keyFields(k *store.Key) []any {
	return []any{&k.ID, &k.Account, &k.Owner, &k.CreatedBy, &k.Name, &k.Environment, &k.Hint, &k.Digest.Pepper, (*sum)(&k.Digest.Sum),
		&k.Import, (*grant)(&k.Grant), (*addresses)(&k.Addresses), &k.Plan, (*instant)(&k.Created), (*instant)(&k.Expires),
		(*instant)(&k.Revoked), (*instant)(&k.Disabled), (*instant)(&k.Used), &k.Reason, &k.Family,
		&k.Replaces, (*span)(&k.Grace), &k.Idempotency, (*sum)(&k.Request)}
}

// accountFields are where accountColumns are read into.
func accountFields(a *store.Account) []any {
	return []any{&a.ID, &a.Name, (*status)(&a.Status), &a.Plan, &a.Limits, (*instant)(&a.Created)}
}

// one reads a row that may not be there.
func one[T any](ctx context.Context, s *Store, what string, fields func(*T) []any, statement string, args ...any) (T, error) {
	var t, none T
	if err := s.row(ctx, statement, args...).Scan(record(fields(&t))); err != nil {
		return none, answer(what, err)
	}
	return t, nil
}

// many reads all rows.
func many[T any](ctx context.Context, s *Store, what string, fields func(*T) []any, statement string, args ...any) ([]T, error) {
	list, err := collect(ctx, s.conn, fields, statement, args...)
	return list, answer(what, err)
}

// collect reads all rows into fields, which returns those of the next value.
func collect[T any](ctx context.Context, c conn, fields func(*T) []any, statement string, args ...any) (list []T, err error) {
	err = c.run(ctx, isRead(statement), func(q querier) error {
		list = nil
		rows, err := q.Query(ctx, c.schema.in(statement), args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var t T
			if err := rows.Scan(record(fields(&t))); err != nil {
				return err
			}
			list = append(list, t)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// A key is what a record is looked up by. One that Postgres cannot hold is
// NULL, which equals nothing: that record does not exist.
type key string

// TextValue implements [pgtype.TextValuer].
func (k key) TextValue() (pgtype.Text, error) {
	return pgtype.Text{String: string(k), Valid: possible(string(k))}, nil
}

// when is an instant as it is written: NULL for never.
func when(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t
}

// The ends of time, as records know them: neither is never.
var (
	firstInstant = time.Date(1, 1, 1, 0, 0, 0, 1000, time.UTC)
	lastInstant  = time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC)
)

type instant time.Time

// ScanTimestamptz implements [pgtype.TimestamptzScanner].
func (i *instant) ScanTimestamptz(v pgtype.Timestamptz) error {
	switch {
	case !v.Valid:
		*i = instant{}
	case v.InfinityModifier == pgtype.Infinity:
		*i = instant(lastInstant)
	case v.InfinityModifier == pgtype.NegativeInfinity:
		*i = instant(firstInstant)
	default:
		*i = instant(v.Time.UTC())
	}
	return nil
}

type span time.Duration

// ScanInt64 implements [pgtype.Int64Scanner].
func (s *span) ScanInt64(v pgtype.Int8) error {
	*s = span(time.Duration(v.Int64) * time.Microsecond)
	return nil
}

type sum [32]byte

// ScanBytes implements [pgtype.BytesScanner].
func (s *sum) ScanBytes(v []byte) error {
	if v == nil { // of a request, which need not have one
		*s = sum{}
		return nil
	}
	if len(v) != len(s) {
		return fmt.Errorf("a digest of %d bytes, want %d", len(v), len(s))
	}
	copy(s[:], v)
	return nil
}

type status authz.Status

// ScanBytes implements [pgtype.BytesScanner]. A status of a newer release, or of
// a slip of the operator's hand, becomes the zero one, which denies: it must not
// be an outage.
func (s *status) ScanBytes(v []byte) error {
	*s = 0
	if len(v) > 0 { // of a key without a person there is none
		parsed, _ := authz.ParseStatus(string(v))
		*s = status(parsed)
	}
	return nil
}

// A grant in JSON. One that cannot be read, after a slip by hand, allows
// nothing: its key is refused and can be revoked, and the others of its account
// still work.
type grant authz.Grant

// ScanBytes implements [pgtype.BytesScanner].
func (g *grant) ScanBytes(v []byte) error {
	// Not json.Unmarshal, which would read it twice more: Postgres has checked it.
	if (*authz.Grant)(g).UnmarshalJSON(v) != nil {
		*g = grant{}
	}
	return nil
}

// addresses are prefixes in JSON. A list that cannot be read allows no address,
// because an empty list would allow any.
type addresses []netip.Prefix

// ScanBytes implements [pgtype.BytesScanner].
func (a *addresses) ScanBytes(v []byte) error {
	if string(v) != "[]" && !decode(v, (*[]netip.Prefix)(a)) {
		*a = addresses{netip.PrefixFrom(netip.IPv6Unspecified(), 128)}
	}
	return nil
}

// scope is the scope of a membership, in JSON. If it cannot be read, the role is
// removed, because no scope would be the whole role. Read it after the role.
type scope store.Membership

// ScanBytes implements [pgtype.BytesScanner].
func (s *scope) ScanBytes(v []byte) error {
	if string(v) != "{}" && !decode(v, &s.Scope) {
		s.Scope, s.Role = nil, ""
	}
	return nil
}

// decode reads JSON. The null that Go takes for an empty list or map is none.
func decode(v []byte, into any) bool {
	return string(bytes.TrimSpace(v)) != "null" && json.Unmarshal(v, into) == nil
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

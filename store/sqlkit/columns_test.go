package sqlkit

import (
	"database/sql"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

var t0 = time.Date(2026, 1, 30, 12, 0, 0, 123456000, time.UTC)

// columns are those of a database that holds times as Go does.
var columns = Columns{
	Instant: func(t *time.Time) any { return t },
	Span:    func(d *time.Duration) any { return d },
	When: func(t time.Time) any {
		if t.IsZero() {
			return nil
		}
		return t
	},
}

// assign reads a value as a driver does.
func assign(into, value any) error {
	switch into := into.(type) {
	case *string:
		*into = value.(string)
	case *int64:
		*into = value.(int64)
	case *int:
		*into = value.(int)
	case *bool:
		*into = value.(bool)
	case *time.Time:
		*into, _ = value.(time.Time)
	case *time.Duration:
		*into = time.Duration(value.(int64)) * time.Microsecond
	case sql.Scanner:
		return into.Scan(value)
	default:
		return fmt.Errorf("nothing reads %T", into)
	}
	return nil
}

// trip writes a record and reads it again.
func trip[T any](record T, list string, fields func(*T) []any, values func(T) ([]any, error)) (read T, err error) {
	written, err := values(record)
	if err != nil {
		return read, err
	}
	into := fields(&read)
	if n := len(strings.Split(list, ", ")); n != len(written) || n != len(into) {
		return read, fmt.Errorf("%d columns, %d fields and %d values", n, len(into), len(written))
	}
	for i := range into {
		if err := assign(into[i], written[i]); err != nil {
			return read, err
		}
	}
	return read, nil
}

// sure makes a function that cannot fail one that could.
func sure[T any](values func(T) []any) func(T) ([]any, error) {
	return func(t T) ([]any, error) { return values(t), nil }
}

// What is written to the columns of a record, in their order, is read from them.
func TestColumns(t *testing.T) {
	scope := map[string]authz.Set{"projects": authz.Of("p1", "p2"), "regions": {}, "all": authz.All()}
	key := store.Key{
		ID: "key_1", Account: "acct_1", Owner: "user_1", CreatedBy: "operator", Name: "Key", Environment: "live", Hint: "x7Qa",
		Digest: keyfmt.Digest{Pepper: "p1", Sum: [32]byte{1}}, Import: "bcrypt:x",
		Grant:     authz.Grant{Version: authz.Version, Permissions: authz.Of("read"), Scope: scope, Endpoints: authz.All(), Environments: authz.Of("live")},
		Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Plan: "free", Created: t0, Expires: t0.Add(1), Revoked: t0.Add(2),
		Disabled: t0.Add(3), Used: t0.Add(4), Reason: "leaked", Family: "key_0", Replaces: "key_a", Grace: time.Hour, Idempotency: "call", Request: [32]byte{2},
	}
	account := store.Account{ID: "acct_1", Name: "Clinic", Status: authz.ReadOnly, Plan: "free", Limits: "6-M", Created: t0}
	user := store.User{ID: "user_1", Email: "a@example.org", Name: "Ada", Password: "$x", Status: authz.Suspended, Epoch: 3, Resets: 4, Created: t0}
	member := store.Membership{User: "user_1", Account: "acct_1", Role: "editor", Scope: scope, Created: t0}
	invitation := store.Invitation{ID: "inv_1", Account: "acct_1", Email: "g@example.org", Name: "Grace", Role: "viewer", Scope: scope, By: "user_1",
		Created: t0, Expires: t0.Add(time.Hour)}
	session := store.Session{ID: "ses_1", User: "user_1", Account: "acct_1", Digest: key.Digest, Epoch: 3, Cookie: true,
		Created: t0, Seen: t0.Add(1), Expires: t0.Add(2), Revoked: t0.Add(3), Idle: time.Minute, Address: "192.0.2.1", Agent: "curl"}
	event := store.Event{ID: "evt_1", Account: "acct_1", Actor: "user_1", Kind: "key.created", Subject: "key_1", Address: "192.0.2.1", At: t0, Note: "x"}
	print := store.Fingerprint{ID: "root", Sum: [32]byte{3}, Turn: 2}
	owner := store.Owner{Account: account, User: authz.Active, Membership: member}

	tests := []struct {
		name string
		want any
		trip func() (any, error)
	}{
		{"key", key, func() (any, error) { return trip(key, KeyColumns, columns.Key, columns.KeyValues) }},
		{"bare key", store.Key{ID: "key_1"}, func() (any, error) {
			return trip(store.Key{ID: "key_1"}, KeyColumns, columns.Key, columns.KeyValues)
		}},
		{"account", account, func() (any, error) {
			return trip(account, AccountColumns, columns.Account, sure(columns.AccountValues))
		}},
		{"user", user, func() (any, error) { return trip(user, UserColumns, columns.User, sure(columns.UserValues)) }},
		{"membership", member, func() (any, error) {
			return trip(member, MembershipColumns, columns.Membership, columns.MembershipValues)
		}},
		{"invitation", invitation, func() (any, error) {
			return trip(invitation, InvitationColumns, columns.Invitation, columns.InvitationValues)
		}},
		{"session", session, func() (any, error) {
			return trip(session, SessionColumns, columns.Session, sure(columns.SessionValues))
		}},
		{"event", event, func() (any, error) { return trip(event, EventColumns, columns.Event, sure(columns.EventValues)) }},
		{"fingerprint", print, func() (any, error) {
			return trip(print, FingerprintColumns, columns.Fingerprint, sure(columns.FingerprintValues))
		}},
		{"owner", owner, func() (any, error) {
			return trip(owner, strings.NewReplacer("(u.status, '')", "", "_id, '')", "", "t, '')", "", "e, '')", "", "e, '{}')", "").Replace(OwnerColumns),
				columns.Owner, func(o store.Owner) ([]any, error) {
					values, err := columns.MembershipValues(o.Membership)
					return append(append(columns.AccountValues(o.Account), o.User.String()), values...), err
				})
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.trip()
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, got, cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.Prefix{}),
				cmp.Comparer(authz.Grant.Equal), cmp.Comparer(authz.Set.Equal)); d != "" {
				t.Errorf("written and read (-want +got):\n%s", d)
			}
		})
	}
}

func TestOf(t *testing.T) {
	if got, want := Of("f", FingerprintColumns), "f.id, f.sum, f.turn"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A column that cannot be read never grants more than was meant, and is no error;
// a digest is, for nobody writes one by hand.
func TestUnreadable(t *testing.T) {
	nobody := []netip.Prefix{netip.MustParsePrefix("::/128")}
	tests := []struct {
		name   string
		column any // as a driver returns it
		read   func(column any) (any, error)
		want   any
	}{
		{"grant that is no JSON", `{"v":1,`, scanGrant, ""},
		{"grant of another type", int64(1), scanGrant, ""},
		{"grant that is NULL", nil, scanGrant, ""},
		{"no addresses", `[]`, scanAddresses, []netip.Prefix(nil)},
		{"addresses that are null", ` null `, scanAddresses, nobody},
		{"addresses that are no JSON", `["10.0.0.0/8"`, scanAddresses, nobody},
		{"addresses that are misspelt", `["10.0.0/8"]`, scanAddresses, nobody},
		{"addresses of another type", 1.5, scanAddresses, nobody},
		{"no scope", `{}`, scanScope, "owner"},
		{"a scope", []byte(`{"projects":["p1"]}`), scanScope, "owner"},
		{"a scope that is null", `null`, scanScope, ""},
		{"a scope that is no JSON", `{`, scanScope, ""},
		{"a scope that is NULL", nil, scanScope, ""},
		{"a status", "suspended", scanStatus, authz.Suspended},
		{"a status of tomorrow", "paused", scanStatus, authz.Status(0)},
		{"no status", "", scanStatus, authz.Status(0)},
		{"a status that is NULL", nil, scanStatus, authz.Status(0)},
		{"a status of another type", int64(1), scanStatus, authz.Status(0)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.read(tt.column)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, got, cmpopts.EquateComparable(netip.Prefix{})); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
	for _, column := range []any{"", "short", []byte{}, make([]byte, 33)} {
		if err := new(sum).Scan(column); err == nil {
			t.Errorf("a digest is read from %v", column)
		}
	}
}

// scanGrant returns what a grant allows, "" for nothing.
func scanGrant(column any) (any, error) {
	g := grant{Version: authz.Version, Permissions: authz.All()}
	err := g.Scan(column)
	return strings.Join(authz.Grant(g).Permissions.Items(), " "), err
}

func scanAddresses(column any) (any, error) {
	var a addresses
	err := a.Scan(column)
	return []netip.Prefix(a), err
}

// scanScope returns the role that the scope leaves, which is the same in both records.
func scanScope(column any) (any, error) {
	m, i := memberScope{Role: "owner"}, offeredScope{Role: "owner"}
	if err := m.Scan(column); err != nil {
		return nil, err
	}
	err := i.Scan(column)
	if i.Role != m.Role || len(i.Scope) != len(m.Scope) {
		return nil, fmt.Errorf("a membership has the role %q, and an invitation %q", m.Role, i.Role)
	}
	return m.Role, err
}

func scanStatus(column any) (any, error) {
	s := status(authz.Active)
	err := s.Scan(column)
	return authz.Status(s), err
}

// What JSON would change or Go would write as null is not written.
func TestWritten(t *testing.T) {
	if got, err := Scope(nil); got != "{}" || err != nil {
		t.Errorf("got the scope %q, %v; want {}", got, err)
	}
	if got, err := Addresses(nil); got != "[]" || err != nil {
		t.Errorf("got the addresses %q, %v; want []", got, err)
	}
	if got, err := Scope(map[string]authz.Set{"\xff": authz.All()}); err == nil {
		t.Errorf("got the scope %q of a kind that is not UTF-8, want an error", got)
	}
}

package sqlkit

import (
	"strings"
	"time"

	"medtwin.ai/tollgate/store"
)

// The columns of the records, each in the order of the methods of [Columns].
const (
	KeyColumns = "id, account, owner, created_by, name, environment, hint, pepper, sum, import, grants, addresses, plan, " +
		"created, expires, revoked, disabled, used, reason, family, replaces, grace, idempotency, request"
	AccountColumns     = "id, name, status, plan, limits, created"
	UserColumns        = "id, email, name, password, status, epoch, resets, created"
	MembershipColumns  = "user_id, account, role, scope, created"
	InvitationColumns  = "id, account, email, name, role, scope, made_by, created, expires"
	SessionColumns     = "id, user_id, account, pepper, sum, epoch, cookie, created, seen, expires, revoked, idle, address, agent"
	EventColumns       = "id, account, actor, kind, subject, address, at, note"
	FingerprintColumns = "id, sum, turn"

	// OwnerColumns are the columns of an Owner. a is the account of a key, u its owner,
	// if any, and m the membership of u in a, if any.
	OwnerColumns = "a.id, a.name, a.status, a.plan, a.limits, a.created, coalesce(u.status, ''), " +
		"coalesce(m.user_id, ''), coalesce(m.account, ''), coalesce(m.role, ''), coalesce(m.scope, '{}'), m.created"
)

// Of returns the columns with the alias of their table: "k.id, k.account, …".
func Of(alias, columns string) string {
	return alias + "." + strings.ReplaceAll(columns, ", ", ", "+alias+".")
}

// Columns reads and writes the columns of records. Its fields say how a driver reads and
// writes times. Everything else is the same for all drivers.
//
// A method with the name of a record returns what its columns are read into, for the
// method Scan of a driver. The method with Values in its name returns what is written to
// the columns, and an error if the record cannot be written.
//
// A column that cannot be read, after a mistake by hand, never grants more than was meant:
// a status denies, a grant allows nothing, a list of addresses allows no address, and a
// membership or an invitation loses its role. It is no error, because records are read
// together and the others are valid.
type Columns struct {
	Instant func(*time.Time) any     // what an instant is read into; NULL is the zero time
	Span    func(*time.Duration) any // what microseconds are read into
	When    func(time.Time) any      // what is written for an instant; nil for the zero time
}

// Key is for [KeyColumns].
func (c Columns) Key(k *store.Key) []any {
	return []any{&k.ID, &k.Account, &k.Owner, &k.CreatedBy, &k.Name, &k.Environment, &k.Hint, &k.Digest.Pepper, (*sum)(&k.Digest.Sum),
		&k.Import, (*grant)(&k.Grant), (*addresses)(&k.Addresses), &k.Plan, c.Instant(&k.Created), c.Instant(&k.Expires),
		c.Instant(&k.Revoked), c.Instant(&k.Disabled), c.Instant(&k.Used), &k.Reason, &k.Family,
		&k.Replaces, c.Span(&k.Grace), &k.Idempotency, (*sum)(&k.Request)}
}

// KeyValues is for [KeyColumns].
func (c Columns) KeyValues(k store.Key) ([]any, error) {
	grant, err := Grant(k.Grant)
	if err != nil {
		return nil, err
	}
	addresses, err := Addresses(k.Addresses)
	if err != nil {
		return nil, err
	}
	var request any
	if k.Request != [32]byte{} {
		request = k.Request[:]
	}
	return []any{k.ID, k.Account, k.Owner, k.CreatedBy, k.Name, k.Environment, k.Hint, k.Digest.Pepper, k.Digest.Sum[:],
		k.Import, grant, addresses, k.Plan, c.When(k.Created), c.When(k.Expires),
		c.When(k.Revoked), c.When(k.Disabled), c.When(k.Used), k.Reason, k.Family,
		k.Replaces, k.Grace.Microseconds(), k.Idempotency, request}, nil
}

// Account is for [AccountColumns].
func (c Columns) Account(a *store.Account) []any {
	return []any{&a.ID, &a.Name, (*status)(&a.Status), &a.Plan, &a.Limits, c.Instant(&a.Created)}
}

// AccountValues is for [AccountColumns].
func (c Columns) AccountValues(a store.Account) []any {
	return []any{a.ID, a.Name, a.Status.String(), a.Plan, a.Limits, c.When(a.Created)}
}

// Owner is for [OwnerColumns].
func (c Columns) Owner(o *store.Owner) []any {
	a, m := &o.Account, &o.Membership
	return []any{&a.ID, &a.Name, (*status)(&a.Status), &a.Plan, &a.Limits, c.Instant(&a.Created), (*status)(&o.User),
		&m.User, &m.Account, &m.Role, (*memberScope)(m), c.Instant(&m.Created)}
}

// User is for [UserColumns].
func (c Columns) User(u *store.User) []any {
	return []any{&u.ID, &u.Email, &u.Name, &u.Password, (*status)(&u.Status), &u.Epoch, &u.Resets, c.Instant(&u.Created)}
}

// UserValues is for [UserColumns].
func (c Columns) UserValues(u store.User) []any {
	return []any{u.ID, u.Email, u.Name, u.Password, u.Status.String(), u.Epoch, u.Resets, c.When(u.Created)}
}

// Membership is for [MembershipColumns].
func (c Columns) Membership(m *store.Membership) []any {
	return []any{&m.User, &m.Account, &m.Role, (*memberScope)(m), c.Instant(&m.Created)}
}

// MembershipValues is for [MembershipColumns].
func (c Columns) MembershipValues(m store.Membership) ([]any, error) {
	scope, err := Scope(m.Scope)
	return []any{m.User, m.Account, m.Role, scope, c.When(m.Created)}, err
}

// Invitation is for [InvitationColumns].
func (c Columns) Invitation(i *store.Invitation) []any {
	return []any{&i.ID, &i.Account, &i.Email, &i.Name, &i.Role, (*offeredScope)(i), &i.By, c.Instant(&i.Created), c.Instant(&i.Expires)}
}

// InvitationValues is for [InvitationColumns].
func (c Columns) InvitationValues(i store.Invitation) ([]any, error) {
	scope, err := Scope(i.Scope)
	return []any{i.ID, i.Account, i.Email, i.Name, i.Role, scope, i.By, c.When(i.Created), c.When(i.Expires)}, err
}

// Session is for [SessionColumns].
func (c Columns) Session(s *store.Session) []any {
	return []any{&s.ID, &s.User, &s.Account, &s.Digest.Pepper, (*sum)(&s.Digest.Sum), &s.Epoch, &s.Cookie,
		c.Instant(&s.Created), c.Instant(&s.Seen), c.Instant(&s.Expires), c.Instant(&s.Revoked),
		c.Span(&s.Idle), &s.Address, &s.Agent}
}

// SessionValues is for [SessionColumns].
func (c Columns) SessionValues(s store.Session) []any {
	return []any{s.ID, s.User, s.Account, s.Digest.Pepper, s.Digest.Sum[:], s.Epoch, s.Cookie,
		c.When(s.Created), c.When(s.Seen), c.When(s.Expires), c.When(s.Revoked),
		s.Idle.Microseconds(), s.Address, s.Agent}
}

// Event is for [EventColumns].
func (c Columns) Event(e *store.Event) []any {
	return []any{&e.ID, &e.Account, &e.Actor, &e.Kind, &e.Subject, &e.Address, c.Instant(&e.At), &e.Note}
}

// EventValues is for [EventColumns].
func (c Columns) EventValues(e store.Event) []any {
	return []any{e.ID, e.Account, e.Actor, e.Kind, e.Subject, e.Address, c.When(e.At), e.Note}
}

// Fingerprint is for [FingerprintColumns].
func (c Columns) Fingerprint(f *store.Fingerprint) []any {
	return []any{&f.ID, (*sum)(&f.Sum), &f.Turn}
}

// FingerprintValues is for [FingerprintColumns].
func (c Columns) FingerprintValues(f store.Fingerprint) []any { return []any{f.ID, f.Sum[:], f.Turn} }

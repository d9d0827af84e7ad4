package storetest

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"time"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/store"
)

func textChecks() []check {
	return []check{{17, "text that no record can hold is no outage", impossibleOfRecords}} // case T15
}

// A textCall calls a method with one text, and with valid values for everything else.
type textCall struct {
	name string // of the method and the argument
	want error  // nil for an empty answer
	call func(s *suite, text string) error
}

// impossible makes the calls with texts that no record can have. The backend has one
// record of each kind, which none of the calls may change.
func impossible(s *suite, calls []textCall) {
	for _, text := range impossibleTexts() {
		for _, c := range calls {
			if err := c.call(s, text.text); !is(err, c.want) {
				s.errorf("%s, %s: %v, want %v", c.name, text.name, err, c.want)
			}
		}
	}
}

type namedText struct{ name, text string }

func impossibleTexts() []namedText {
	long := make([]byte, 1<<20)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range long { // random, so that it cannot be compressed to fit in an index
		long[i] = "abcdefghijklmnopqrstuvwxyz0123456789"[r.IntN(36)]
	}
	return []namedText{
		{"NUL inside", "a\x00b"}, {"NUL", "\x00"}, {"not UTF-8", "\xff\xfe"}, {"half a character", "caf\xc3"},
		{"half of a surrogate pair", "\xed\xa0\x80"}, {"1 MB", string(long)},
	}
}

// eachText makes a call for every field of a record that is a text. The call has the name
// of the field and sets it to its text.
func eachText[T any](method string, record T, want func(field string) error, call func(s *suite, record T) error) []textCall {
	var calls []textCall
	v := reflect.ValueOf(record)
	add := func(name string, index ...int) {
		calls = append(calls, textCall{method + ": " + name, want(name), func(s *suite, text string) error {
			changed := reflect.New(v.Type()).Elem()
			changed.Set(v)
			changed.FieldByIndex(index).SetString(text)
			return call(s, changed.Interface().(T))
		}})
	}
	for i := range v.NumField() {
		switch f := v.Type().Field(i); {
		case f.Type.Kind() == reflect.String:
			add(f.Name, i)
		case f.Type == reflect.TypeFor[keyfmt.Digest]():
			add(f.Name, i, 0)
		}
	}
	return calls
}

// always returns answer for every field except these, and but for these.
func always(answer error, but error, fields ...string) func(string) error {
	return func(field string) error {
		if slices.Contains(fields, field) {
			return but
		}
		return answer
	}
}

// empty returns an error unless the list is empty.
func empty[T any](list []T, err error) error {
	if err == nil && len(list) > 0 {
		return fmt.Errorf("%d records", len(list))
	}
	return err
}

func zero[T comparable](n T, err error) error {
	if none := *new(T); err == nil && n != none {
		return fmt.Errorf("the answer %v", n)
	}
	return err
}

// grantsWith returns grants that have the text in one of their sets, or as a kind.
func grantsWith(text string) []authz.Grant {
	grants := []authz.Grant{newGrant(), newGrant(), newGrant(), newGrant(), newGrant()}
	grants[0].Permissions = authz.Of("read", text)
	grants[1].Endpoints = authz.Of("read", text)
	grants[2].Environments = authz.Of("live", text)
	grants[3].Scope = map[string]authz.Set{"projects": authz.Of(text)}
	grants[4].Scope = map[string]authz.Set{text: authz.Of("proj_1")}
	return grants
}

// scopesWith returns scopes that have the text as a kind, or in one of their sets.
func scopesWith(text string) []map[string]authz.Set {
	return []map[string]authz.Set{{text: authz.Of("proj_1")}, {"projects": authz.Of("proj_1", text)}}
}

// everyOne returns want if f returns it for every value of the list, and another error
// otherwise.
func everyOne[T any](list []T, want error, f func(T) error) error {
	for i, t := range list {
		if err := f(t); !is(err, want) {
			return fmt.Errorf("number %d: %v", i, err)
		}
	}
	return want
}

func impossibleOfSessions(s *suite) {
	o := newSession(me, 1)
	s.logins(o)
	impossible(s, textsOfSessions())
	o.Seen = t0.Add(time.Minute) // by Touch, which ignores the other ids
	s.same("Sessions.List", s.sessionsOf(me), []store.Session{o})
}

func textsOfSessions() []textCall {
	o, next := newSession(me, 1), newSession(me, 2)
	return slices.Concat([]textCall{
		{"Sessions.Find: d", store.ErrNotFound, func(s *suite, text string) error {
			_, err := s.Sessions().Find(s.Context(), keyfmt.Digest{Pepper: text, Sum: o.Digest.Sum})
			return err
		}},
		{"Sessions.Touch: uses", nil, func(s *suite, text string) error {
			return s.Sessions().Touch(s.Context(), []store.Use{{ID: text, At: t0}, {ID: o.ID, At: t0.Add(time.Minute)}, {ID: text, At: t0}})
		}},
		{"Sessions.Get: user", store.ErrNotFound, func(s *suite, text string) error {
			_, err := s.Sessions().Get(s.Context(), text, o.ID)
			return err
		}},
		{"Sessions.Get: id", store.ErrNotFound, func(s *suite, text string) error {
			_, err := s.Sessions().Get(s.Context(), me, text)
			return err
		}},
		{"Sessions.List: user", nil, func(s *suite, text string) error { return empty(s.Sessions().List(s.Context(), text)) }},
		{"Sessions.Revoke: user", store.ErrNotFound, func(s *suite, text string) error { return s.Sessions().Revoke(s.Context(), text, o.ID, t0) }},
		{"Sessions.Revoke: id", store.ErrNotFound, func(s *suite, text string) error { return s.Sessions().Revoke(s.Context(), me, text, t0) }},
		{"Sessions.RevokeAll: user", nil, func(s *suite, text string) error { return zero(s.Sessions().RevokeAll(s.Context(), text, "", t0)) }},
		{"Sessions.RevokeAll: but", nil, func(s *suite, text string) error { return zero(s.Sessions().RevokeAll(s.Context(), you, text, t0)) }},
	}, eachText("Sessions.Create", next, always(store.ErrInvalid, nil), func(s *suite, o store.Session) error {
		return s.Sessions().Create(s.Context(), o)
	}))
}

func statusChecks() []check {
	return []check{
		{19, "what is created without a status is active", activeAtFirst},
		{19, "no other status can be stored", noOtherStatus},
	}
}

func activeAtFirst(s *suite) {
	a, u := newAccount(mine), newUser(1)
	a.Status, u.Status = 0, 0
	s.must("Accounts.Create", s.Accounts().Create(s.Context(), a))
	s.must("Users.Create", s.Users().Create(s.Context(), u))
	got, err := s.Accounts().Get(s.Context(), mine)
	s.must("Accounts.Get", err)
	s.same("the account", got, newAccount(mine))
	s.same("the user", s.user(1), newUser(1))
}

func noOtherStatus(s *suite) {
	s.accounts(mine)
	s.users(1)
	for _, status := range []authz.Status{0, authz.Suspended + 1, 255} {
		s.is("Accounts.SetStatus", s.Accounts().SetStatus(s.Context(), mine, status), store.ErrInvalid)
		s.is("Users.SetStatus", s.Users().SetStatus(s.Context(), me, status), store.ErrInvalid)
		if status == 0 {
			continue
		}
		a, u := newAccount(theirs), newUser(2)
		a.Status, u.Status = status, status
		s.is("Accounts.Create", s.Accounts().Create(s.Context(), a), store.ErrInvalid)
		s.is("Users.Create", s.Users().Create(s.Context(), u), store.ErrInvalid)
	}
	got, err := s.Accounts().Get(s.Context(), mine)
	s.must("Accounts.Get", err)
	s.same("the account", got, newAccount(mine))
	s.same("the user", s.user(1), newUser(1))
}

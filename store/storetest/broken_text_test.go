package storetest

import (
	"context"
	"errors"
	"strings"
	"time"

	"medtwin.ai/tollgate/store"
)

var breakagesOfTexts = []breakage{
	{17, "NUL in a filter is an outage", "text that no record can hold is no outage", func(b Backend) Backend {
		return parts{Backend: b, admin: literalAdmin{b.KeyAdmin()}}
	}},
	{17, "one bad id spoils all uses", "text that no record can hold is no outage", func(b Backend) Backend {
		return parts{Backend: b, keys: strictKeys{b.Keys()}}
	}},
	{17, "a user is stored under any id", "text that no record can hold is no outage", func(b Backend) Backend {
		return parts{Backend: b, users: looseUsers{b.Users()}}
	}},
	{17, "NUL in the agent is an outage", "text that no session can hold is no outage", func(b Backend) Backend {
		return parts{Backend: b, sessions: literalSessions{b.Sessions()}}
	}},
}

var errEncoding = errors.New("invalid byte sequence for encoding")

type literalAdmin struct{ store.KeyAdmin }

func (a literalAdmin) RevokeAll(ctx context.Context, account string, f store.Filter, reason string, now time.Time) (int, error) {
	if strings.Contains(f.Owner+f.CreatedBy, "\x00") {
		return 0, errEncoding
	}
	return a.KeyAdmin.RevokeAll(ctx, account, f, reason, now)
}

type strictKeys struct{ store.Keys }

func (k strictKeys) Touch(ctx context.Context, uses []store.Use) error {
	for _, u := range uses {
		if strings.Contains(u.ID, "\x00") {
			return errEncoding
		}
	}
	return k.Keys.Touch(ctx, uses)
}

type looseUsers struct{ store.Users }

func (u looseUsers) Create(ctx context.Context, user store.User) error {
	user.ID = strings.ReplaceAll(user.ID, "\x00", "")
	return u.Users.Create(ctx, user)
}

type literalSessions struct{ store.Sessions }

func (l literalSessions) Create(ctx context.Context, o store.Session) error {
	if strings.Contains(o.Agent, "\x00") {
		return errEncoding
	}
	return l.Sessions.Create(ctx, o)
}

package ratelimit

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// A Kind is the way in which a window gives quota back.
type Kind uint8

const (
	byWindow Kind = iota

	// Rolling windows give back each unit about one period after its use.
	Rolling
	// Calendar windows begin with each day.
	Calendar
	// Monthly windows begin with the billing day of each month.
	Monthly
)

// String returns "rolling", "calendar" or "monthly".
func (k Kind) String() string {
	switch k {
	case Rolling:
		return "rolling"
	case Calendar:
		return "calendar"
	case Monthly:
		return "monthly"
	}
	return "by window"
}

const (
	day        = 24 * time.Hour
	month      = 31 * day // the longest month; orders Monthly among the other kinds
	maxRolling = math.MaxUint32
	maxName    = 64
)

// A Limit is a quota per window.
type Limit struct {
	// Name appears in header fields. It has a lower-case letter, and then
	// lower-case letters, digits, "_", "-" and "." (a key of RFC 9651 §3.1.2).
	// Default: second, minute, hour, day or month, if the window is one of
	// these.
	Name string
	// Quota is how much may be used in a window: 1 or more, and at most 1<<32-1
	// if the kind is Rolling.
	Quota int64
	// Window is the period. For Rolling it is a millisecond to 31 days, in
	// whole milliseconds. For Calendar it is 24 hours, also for days of 23 or
	// 25. For Monthly it is 0.
	Window time.Duration
	// Kind of the window. Default: Rolling for an hour or less, Calendar for a
	// day. Other windows need a Kind.
	Kind Kind
	// Zone is the time zone in which the days of Calendar and Monthly begin.
	// Default: UTC.
	Zone *time.Location
	// Anchor is the billing day of Monthly, 1 to 31. In a shorter month it is
	// the last day. Default: 1.
	Anchor int
}

// period returns the nominal length of the window, for comparing limits.
func (l *Limit) period() time.Duration {
	if l.Kind == Monthly {
		return month
	}
	return l.Window
}

// resolve fills in defaults, and returns every mistake in one error.
func (l *Limit) resolve() error {
	// A window that is neither short nor a day could be meant in two ways, so
	// it needs a kind.
	if l.Kind == byWindow {
		switch {
		case l.Window <= time.Hour:
			l.Kind = Rolling
		case l.Window == day:
			l.Kind = Calendar
		default:
			return fmt.Errorf("limit %q: a window of %v needs a Kind", l.Name, l.Window)
		}
	}
	if l.Name == "" {
		l.Name = l.usualName()
	}
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("limit %q: "+format, append([]any{l.Name}, args...)...))
	}
	if !validName(l.Name) {
		bad("the name must be 1 to %d of a-z 0-9 _ - . and begin with a letter", maxName)
	}
	if l.Quota < 1 {
		bad("quota %d is below 1", l.Quota)
	}
	switch l.Kind {
	case Rolling:
		if l.Window < time.Millisecond || l.Window > month || l.Window%time.Millisecond != 0 {
			bad("a rolling window of %v is not 1ms to 31 days in whole milliseconds", l.Window)
		}
		if l.Quota > maxRolling {
			bad("rolling quota %d is above %d", l.Quota, int64(maxRolling))
		}
	case Calendar:
		if l.Window != day {
			bad("a calendar window is 24h, not %v", l.Window)
		}
	case Monthly:
		if l.Window != 0 {
			bad("a monthly window has no duration, not %v", l.Window)
		}
	default:
		bad("unknown kind %d", l.Kind)
	}
	if l.Kind != Monthly && l.Anchor != 0 {
		bad("only monthly windows have an anchor")
	}
	if l.Anchor < 0 || l.Anchor > 31 {
		bad("anchor %d is not a day of a month", l.Anchor)
	}
	if l.Kind == Rolling && l.Zone != nil {
		bad("rolling windows have no time zone")
	}
	if l.Kind != Rolling && l.Zone == nil {
		l.Zone = time.UTC
	}
	if l.Kind == Monthly && l.Anchor == 0 {
		l.Anchor = 1
	}
	return errors.Join(errs...)
}

// usualName returns the name of a window that has a usual one, or "".
func (l *Limit) usualName() string {
	if l.Kind == Monthly {
		return "month"
	}
	for _, u := range units {
		if l.Window == u.window {
			return u.name
		}
	}
	return ""
}

// validName reports whether s is a key of RFC 9651 and, in quotes, a string of
// it. So a name needs no escaping in a header.
func validName(s string) bool {
	if s == "" || len(s) > maxName || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '_', c == '-', c == '.':
		default:
			return false
		}
	}
	return true
}

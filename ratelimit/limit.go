package ratelimit

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// A Kind says when a window gives quota back.
type Kind uint8

const (
	byWindow Kind = iota

	// Rolling windows give each unit back about one period after its use.
	Rolling
	// Calendar windows begin with the day.
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
	month      = 31 * day // the longest; orders Monthly among the others
	maxRolling = math.MaxUint32
	maxName    = 64
)

// A Limit is a quota per window.
type Limit struct {
	// Name appears in header fields: a lower-case letter, then lower-case
	// letters, digits, "_", "-", "." (a key of RFC 9651 §3.1.2). "": second,
	// minute, hour, day or month, where the window is one of these.
	Name string
	// Quota is how much may be used in a window: at least 1, at most 1<<32-1
	// under Rolling.
	Quota int64
	// Window is the period. Rolling: a millisecond to 31 days, in whole
	// milliseconds. Calendar: 24 hours, whatever the clocks do that day.
	// Monthly: 0.
	Window time.Duration
	// Kind; 0: Rolling up to an hour, Calendar for a day. Other windows say it.
	Kind Kind
	// Zone is where the days of Calendar and Monthly begin; nil: UTC.
	Zone *time.Location
	// Anchor is the billing day of Monthly, 1 to 31, and the last day of
	// shorter months; 0: 1.
	Anchor int
}

// period is the nominal length of the window.
func (l *Limit) period() time.Duration {
	if l.Kind == Monthly {
		return month
	}
	return l.Window
}

// resolve fills in what was left to defaults and reports all that is wrong.
func (l *Limit) resolve() error {
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

// validName accepts what is both a key and, quoted, a string of RFC 9651.
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

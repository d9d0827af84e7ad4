package ratelimit

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// units are the windows that have a letter and a name.
var units = [...]struct {
	letter byte
	name   string
	window time.Duration
}{
	{'S', "second", time.Second},
	{'M', "minute", time.Minute},
	{'H', "hour", time.Hour},
	{'D', "day", day},
}

// ParsePlan reads a plan in the notation of ulule/limiter: limits with commas
// between them, as in "60-M, 10000-D". The letters S, M and H mean a rolling
// second, minute and hour, and D a day of UTC. A quota has no sign and no
// leading zeros. One space may follow a comma. There is no letter for a month,
// because M means a minute.
func ParsePlan(name, notation string) (*Plan, error) {
	var limits []Limit
	var errs []error
	for part := range strings.SplitSeq(notation, ",") {
		if len(limits) > 0 {
			part = strings.TrimPrefix(part, " ")
		}
		l, err := parseLimit(part)
		if err != nil {
			errs = append(errs, err)
		}
		limits = append(limits, l)
		if len(limits) > maxLimits {
			errs = append(errs, fmt.Errorf("more than %d limits", maxLimits))
			break
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("ratelimit: plan %q: %w", name, err)
	}
	return NewPlan(name, limits...)
}

// parseLimit reads one limit, such as "60-M".
func parseLimit(s string) (Limit, error) {
	quota, letter, ok := strings.Cut(s, "-")
	if !ok || len(letter) != 1 || quota == "" || quota[0] < '1' || quota[0] > '9' {
		return Limit{}, fmt.Errorf("limit %q is not of the form 60-M", clip(s))
	}
	// ParseInt would accept a sign and leading zeros, which the first digit has
	// excluded.
	n, err := strconv.ParseInt(quota, 10, 64)
	if err != nil {
		return Limit{}, fmt.Errorf("limit %q: the quota is not a number below 1<<63", clip(s))
	}
	for _, u := range units {
		if letter[0] == u.letter {
			return Limit{Quota: n, Window: u.window}, nil
		}
	}
	return Limit{}, fmt.Errorf("limit %q: the period is S, M, H or D", clip(s))
}

// notation returns the limit in the notation of ParsePlan if it can be written
// so, and otherwise in words.
func (l *Limit) notation() string {
	n := strconv.FormatInt(l.Quota, 10)
	for _, u := range units {
		usual := Limit{Name: u.name, Quota: l.Quota, Window: u.window, Kind: Rolling}
		if u.window == day {
			usual.Kind, usual.Zone = Calendar, time.UTC
		}
		if *l == usual {
			return n + "-" + string(u.letter)
		}
	}
	if l.Kind == Monthly {
		return n + " per month"
	}
	return n + " per " + l.Window.String()
}

// clip shortens a text that an error repeats.
func clip(s string) string {
	if len(s) > 32 {
		return s[:32] + "…"
	}
	return s
}

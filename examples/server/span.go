package main

import (
	"errors"
	"flag"
	"strconv"
	"strings"
	"time"
)

var errSpan = errors.New("want a span of time such as 30d, 12h, 1d12h or 90s")

// span reads a span of time: what time.ParseDuration reads, after a number of
// days of 24 hours if there is one, as in 30d or 1d12h.
func span(text string) (time.Duration, error) {
	days, rest, found := strings.Cut(text, "d")
	if !found {
		days, rest = "0", text
	}
	n, err := strconv.ParseUint(days, 10, 16) // 65,535 days are 179 years, and a Duration holds 292
	if err != nil || strings.HasPrefix(days, "+") {
		return 0, errSpan
	}
	d := time.Duration(n) * 24 * time.Hour
	if rest == "" && found {
		return d, nil
	}
	more, err := time.ParseDuration(rest)
	if err != nil || found && (more < 0 || d+more < d) {
		return 0, errSpan
	}
	return d + more, nil
}

// spanVar declares a flag that is a span of time.
func spanVar(f *flag.FlagSet, d *time.Duration, name string, value time.Duration, usage string) {
	*d = value
	f.Var((*spanFlag)(d), name, usage)
}

type spanFlag time.Duration

func (s *spanFlag) String() string { return time.Duration(*s).String() }

func (s *spanFlag) Set(text string) error {
	d, err := span(text)
	if err == nil {
		*s = spanFlag(d)
	}
	return err
}

package ratelimit

import (
	"math/rand/v2"
	"testing"
	"time"
	_ "time/tzdata" // the same zones on every machine

	"github.com/google/go-cmp/cmp"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// case L20: days around changes of the clocks, given in UTC.
func TestDays(t *testing.T) {
	for _, c := range []struct {
		zone, at, start, end string
	}{
		{"UTC", "2026-03-10T12:00:00Z", "2026-03-10T00:00:00Z", "2026-03-11T00:00:00Z"},
		{"UTC", "2028-02-29T23:59:59Z", "2028-02-29T00:00:00Z", "2028-03-01T00:00:00Z"},
		{"UTC", "2016-12-31T23:59:59Z", "2016-12-31T00:00:00Z", "2017-01-01T00:00:00Z"}, // leap second
		// 23 and 25 hours.
		{"America/New_York", "2026-03-08T12:00:00Z", "2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z"},
		{"America/New_York", "2026-11-01T12:00:00Z", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"},
		// Midnight is skipped: the day begins at 01:00.
		{"America/Sao_Paulo", "2018-11-04T12:00:00Z", "2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"},
		{"America/Sao_Paulo", "2018-11-04T02:59:59Z", "2018-11-03T03:00:00Z", "2018-11-04T03:00:00Z"},
		// 24:00 becomes 23:00 of the same day.
		{"America/Sao_Paulo", "2018-02-18T02:30:00Z", "2018-02-17T02:00:00Z", "2018-02-18T03:00:00Z"},
		// Midnight comes twice: the day begins with the first.
		{"America/Havana", "2026-11-01T04:30:00Z", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"},
		{"America/Havana", "2026-11-01T05:30:00Z", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"},
		// At 00:01 the date goes back to the day before; the window does not.
		{"America/St_Johns", "2010-11-07T02:30:30Z", "2010-11-07T02:30:00Z", "2010-11-08T03:30:00Z"},
		{"America/St_Johns", "2010-11-07T03:00:00Z", "2010-11-07T02:30:00Z", "2010-11-08T03:30:00Z"},
		// There was no 30 December.
		{"Pacific/Apia", "2011-12-30T09:00:00Z", "2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z"},
		{"Pacific/Apia", "2011-12-30T11:00:00Z", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z"},
	} {
		cal := calendar{zone: zone(t, c.zone)}
		checkSpan(t, &cal, c.zone, c.at, c.start, c.end)
	}
}

// case L20: billing months, given in UTC.
func TestMonths(t *testing.T) {
	for _, c := range []struct {
		anchor               int
		zone, at, start, end string
	}{
		{1, "UTC", "2026-03-01T00:00:00Z", "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z"},
		{1, "UTC", "2026-12-31T23:59:59Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"},
		{15, "UTC", "2026-01-14T23:59:59Z", "2025-12-15T00:00:00Z", "2026-01-15T00:00:00Z"},
		{31, "UTC", "2026-02-27T23:59:59Z", "2026-01-31T00:00:00Z", "2026-02-28T00:00:00Z"},
		{31, "UTC", "2026-02-28T00:00:00Z", "2026-02-28T00:00:00Z", "2026-03-31T00:00:00Z"},
		{31, "UTC", "2028-02-28T23:59:59Z", "2028-01-31T00:00:00Z", "2028-02-29T00:00:00Z"},
		{31, "UTC", "2028-02-29T00:00:00Z", "2028-02-29T00:00:00Z", "2028-03-31T00:00:00Z"},
		{30, "UTC", "2026-03-01T00:00:00Z", "2026-02-28T00:00:00Z", "2026-03-30T00:00:00Z"},
		{31, "UTC", "2026-04-30T00:00:00Z", "2026-04-30T00:00:00Z", "2026-05-31T00:00:00Z"},
		{1, "America/New_York", "2026-04-01T03:59:59Z", "2026-03-01T05:00:00Z", "2026-04-01T04:00:00Z"},
	} {
		cal := calendar{zone: zone(t, c.zone), anchor: c.anchor}
		checkSpan(t, &cal, c.zone, c.at, c.start, c.end)
	}
}

func checkSpan(t *testing.T, cal *calendar, zone, at, start, end string) {
	t.Helper()
	moment, err := time.Parse(time.RFC3339, at)
	if err != nil {
		t.Fatal(err)
	}
	s := cal.at(moment.Unix())
	got := [2]string{time.Unix(s.start, 0).UTC().Format(time.RFC3339), time.Unix(s.end, 0).UTC().Format(time.RFC3339)}
	if diff := cmp.Diff([2]string{start, end}, got); diff != "" {
		t.Errorf("%s, anchor %d, at %s (-want +got):\n%s", zone, cal.anchor, at, diff)
	}
}

// Windows tile time: each second lies in one, and the next begins where it ends.
func TestSpansTile(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for _, name := range []string{"UTC", "America/New_York", "America/Sao_Paulo", "America/Havana",
		"America/St_Johns", "Pacific/Apia", "Africa/Cairo", "Asia/Beirut", "Asia/Kathmandu", "Australia/Lord_Howe"} {
		for _, anchor := range []int{0, 1, 29, 31} {
			cal := calendar{zone: zone(t, name), anchor: anchor}
			for range 300 {
				at := time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC).Unix() + r.Int64N(80*365*86400)
				s := cal.find(at)
				length := int64(26 * 3600) // more than any day
				if anchor > 0 {
					length = 32 * 86400
				}
				if s.start > at || s.end <= at || s.end-s.start >= length {
					t.Fatalf("%s, anchor %d: %d is in %+v", name, anchor, at, s)
				}
				if first, next := cal.find(s.start), cal.find(s.end); first != s || next.start != s.end {
					t.Fatalf("%s, anchor %d: %+v begins in %+v, and %+v follows", name, anchor, s, first, next)
				}
			}
		}
	}
}

// Plans of two zones in turn give neither its day twice.
func TestAlternatingZones(t *testing.T) {
	m := NewMemory(8)
	east := mustPlan(t, "test", Limit{Quota: 10, Window: day, Zone: time.FixedZone("", 14*3600)})
	utc := mustPlan(t, "test", Limit{Quota: 20, Window: day})
	at := func(hours float64) time.Time {
		return time.Date(2026, 6, 10, 0, 0, 0, 0, time.UTC).Add(time.Duration(hours * float64(time.Hour)))
	}
	admitted := drain(t, m, east, at(11)) // its day lasts from 10:00 to 34:00
	takeOne(t, m, utc, 1, at(23))
	takeOne(t, m, utc, 1, at(24.001))
	if admitted += drain(t, m, east, at(25)); admitted > 10 {
		t.Errorf("%d of 10 a day passed", admitted)
	}
}

// A plan whose zone changes in the middle of a day does not hand out a second day.
func TestZoneChangeKeepsUsage(t *testing.T) {
	m := NewMemory(8)
	in := func(name string) *Plan {
		return mustPlan(t, "test", Limit{Quota: 5, Window: day, Zone: zone(t, name)})
	}
	now := time.Date(2026, time.June, 10, 5, 0, 0, 0, time.UTC)
	if n := drain(t, m, in("UTC"), now); n != 5 {
		t.Fatalf("%d passed, want 5", n)
	}
	for _, name := range []string{"America/New_York", "Asia/Tokyo", "UTC"} {
		if d := takeOne(t, m, in(name), 1, now); d.Allowed || d.Retry <= 0 || d.Retry > day {
			t.Errorf("%s: Allowed %t, Retry %v", name, d.Allowed, d.Retry)
		}
	}
	// The new zone's next day is a new one.
	now = time.Date(2026, time.June, 11, 4, 0, 0, 0, time.UTC)
	if d := takeOne(t, m, in("America/New_York"), 1, now); !d.Allowed || d.States[0].Remaining != 4 {
		t.Errorf("on the next day: %+v", d)
	}
}

// case L20: a clock that is stepped over midnight and back.
func TestSteppedOverMidnight(t *testing.T) {
	m := NewMemory(8)
	p := parsed(t, "3-D")
	midnight := time.Date(2026, time.March, 11, 0, 0, 0, 0, time.UTC)
	if n := drain(t, m, p, midnight.Add(time.Second)); n != 3 {
		t.Fatalf("%d passed, want 3", n)
	}
	d := takeOne(t, m, p, 1, midnight.Add(-time.Second))
	if want := day + time.Second; d.Allowed || d.Retry != want {
		t.Errorf("a second before midnight: Allowed %t, Retry %v, want %v", d.Allowed, d.Retry, want)
	}
	if n := drain(t, m, p, midnight.Add(day)); n != 3 {
		t.Errorf("%d passed the next day, want 3", n)
	}
}

package wire

import (
	"testing"
	"time"
)

// A time from outside is of RFC 3339 to the letter.
func TestParseTime(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"2027-01-31T01:00:00Z", "2027-01-31T01:00:00Z"},
		{"2027-01-31T01:00:00.5Z", "2027-01-31T01:00:00.5Z"},
		{"2027-01-31T01:00:00.123456789+05:30", "2027-01-30T19:30:00.123456789Z"},
		{"2027-01-31T01:00:00-23:59", "2027-02-01T00:59:00Z"},
		{"2027-01-31T01:00:00-00:00", "2027-01-31T01:00:00Z"},
		{"2028-02-29T23:59:59Z", "2028-02-29T23:59:59Z"},
		{"9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"},

		{"2027-01-31T1:00:00Z", ""},
		{"2027-01-31T01:00:00,5Z", ""},
		{"2027-01-31T01:00:00.Z", ""},
		{"2027-01-31T01:00:00+24:00", ""},
		{"2027-01-31T01:00:00+00:60", ""},
		{"2027-01-31T01:00:00-99:99", ""},
		{"2027-01-31T01:00:00+0100", ""},
		{"2027-01-31T01:00:00+01", ""},
		{"2027-01-31T01:00:00ZZ", ""},
		{"2027-01-31T01:00:00Z+01:00", ""},
		{"2027-01-31t01:00:00Z", ""},
		{"2027-01-31T01:00:00z", ""},
		{"2027-01-31 01:00:00Z", ""},
		{"2027-01-31T01:00:00", ""},
		{"2027-01-31T01:00Z", ""},
		{"2027-01-31", ""},
		{"2027-1-31T01:00:00Z", ""},
		{"27-01-31T01:00:00Z", ""},
		{"+2027-01-31T01:00:00Z", ""},
		{" 2027-01-31T01:00:00Z", ""},
		{"2027-01-31T01:00:00Z\n", ""},
		{"2027-02-29T01:00:00Z", ""},
		{"2027-13-01T01:00:00Z", ""},
		{"2027-01-31T24:00:00Z", ""},
		{"2027-01-31T01:60:00Z", ""},
		{"2016-12-31T23:59:60Z", ""},
		{"२०२७-01-31T01:00:00Z", ""},
		{"0000-01-01T00:00:00+23:59", ""},
		{"0001-01-01T00:00:00Z", ""},
		{"9999-12-31T23:59:59-00:01", ""},
		{"1800000000", ""},
		{"", ""},
	} {
		t.Run(c.text, func(t *testing.T) {
			at, err := ParseTime(c.text)
			got := ""
			if err == nil {
				got = at.Format(time.RFC3339Nano)
			}
			if got != c.want {
				t.Errorf("got %q, %v, want %q", got, err, c.want)
			}
		})
	}
}

// What is accepted is a time to package time as well, the same one, and is
// accepted again as answers write it.
func FuzzParseTime(f *testing.F) {
	for _, text := range []string{"2027-01-31T01:00:00Z", "2027-01-31T01:00:00.5+05:30", "2027-01-31T1:00:00,5+24:60", ""} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		at, err := ParseTime(text)
		if err != nil {
			return
		}
		if want, err := time.Parse(time.RFC3339Nano, text); err != nil || !at.Equal(want) {
			t.Errorf("%q: got %v, want %v, %v", text, at, want, err)
		}
		if again, err := ParseTime(at.Format(time.RFC3339Nano)); err != nil || !again.Equal(at) {
			t.Errorf("%q: got %v, then %v, %v", text, at, again, err)
		}
	})
}

package main

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
			at, err := parseTime(c.text)
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

// Every text from a caller that is a time is read by parseTime.
func TestTimesOfCallers(t *testing.T) {
	d := newDesk(t)
	_, owner := d.joins("acct_1", roleOwner)
	key := d.makes(owner, seedCreate)
	for _, text := range []string{"2027-01-31T1:00:00Z", "2027-01-31T01:00:00,5Z", "2027-01-31T01:00:00-24:00", "2027-01-31T01:00:00-00:60"} {
		for _, c := range []struct{ name, method, path, body string }{
			{"create", "POST", "/v1/api-keys", `{"name":"k","permissions":["read"],"expires_at":"` + text + `"}`},
			{"update", "PATCH", "/v1/api-keys/" + key.ID, `{"expires_at":"` + text + `"}`},
			{"revoke many", "POST", "/v1/api-keys/revoke", `{"reason":"r","created_before":"` + text + `"}`},
			{"list", "GET", "/v1/api-keys?expiring_before=" + text, ""},
		} {
			t.Run(c.name+" "+text, func(t *testing.T) {
				if a := d.do(c.method, c.path, owner, c.body); a.status != 400 {
					t.Errorf("got %d %s, want 400", a.status, a.body)
				}
			})
		}
		t.Run("command line "+text, func(t *testing.T) {
			if at, err := instant(text, d.now); err == nil {
				t.Errorf("got %v, want an error", at)
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
		at, err := parseTime(text)
		if err != nil {
			return
		}
		if want, err := time.Parse(time.RFC3339Nano, text); err != nil || !at.Equal(want) {
			t.Errorf("%q: got %v, want %v, %v", text, at, want, err)
		}
		if again, err := parseTime(at.Format(time.RFC3339Nano)); err != nil || !again.Equal(at) {
			t.Errorf("%q: got %v, then %v, %v", text, at, again, err)
		}
	})
}

package authz

import "fmt"

// A Status is the state of an account. It is checked before any grant, so no
// grant can make up for it. The zero Status is not valid, and denies
// everything: a record without a status opens nothing.
type Status uint8

const (
	// Active accounts do what their grants allow.
	Active Status = iota + 1
	// ReadOnly accounts may read. They change something only through routes
	// whose need says Suspended.
	ReadOnly
	// Suspended accounts use only routes whose need says Suspended.
	Suspended
)

var statuses = [...]string{"invalid", "active", "read_only", "suspended"}

// String returns "active", "read_only", "suspended", or "invalid".
func (s Status) String() string {
	if !s.valid() {
		return statuses[0]
	}
	return statuses[s]
}

// valid reports whether s is one of the three.
func (s Status) valid() bool { return Active <= s && s <= Suspended }

// refuses returns the code with which s refuses q, or "". An invalid status
// refuses everything.
func (s Status) refuses(q *compiledRequest) string {
	switch {
	case s == Active, s == ReadOnly && (!q.writes || q.suspended), s == Suspended && q.suspended:
		return ""
	case s == ReadOnly:
		return "account_read_only"
	}
	return "account_suspended"
}

// ParseStatus returns the status with that text: see [Status.String].
func ParseStatus(text string) (Status, error) {
	for s := Active; s.valid(); s++ {
		if statuses[s] == text {
			return s, nil
		}
	}
	return 0, fmt.Errorf(`authz: status %q: want "active", "read_only" or "suspended"`, text)
}

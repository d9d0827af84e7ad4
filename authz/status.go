package authz

import "fmt"

// A Status is the state of an account. The zero Status is not valid and
// denies everything.
type Status uint8

const (
	// Active accounts do what their grants allow.
	Active Status = iota + 1
	// ReadOnly accounts look at what they have and change nothing but through
	// routes whose need says Suspended.
	ReadOnly
	// Suspended accounts reach only routes whose need says Suspended.
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

func (s Status) valid() bool { return Active <= s && s <= Suspended }

// refuses returns the code with which s refuses q, or "".
func (s Status) refuses(q *compiledRequest) string {
	switch {
	case s == Active, s == ReadOnly && (!q.writes || q.suspended), s == Suspended && q.suspended:
		return ""
	case s == ReadOnly:
		return "account_read_only"
	}
	return "account_suspended"
}

// ParseStatus is the reverse of [Status.String].
func ParseStatus(text string) (Status, error) {
	for s := Active; s.valid(); s++ {
		if statuses[s] == text {
			return s, nil
		}
	}
	return 0, fmt.Errorf(`authz: status %q: want "active", "read_only" or "suspended"`, text)
}

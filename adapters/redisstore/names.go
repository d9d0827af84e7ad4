package redisstore

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"medtwin.ai/tollgate/keyfmt"
)

// names makes the names of keys and channels. They begin with the same prefix.
//
//	session:{6:user_1}:ses_1   hash: the record
//	sessions:{6:user_1}        sorted set: ids of the records, by when Redis drops each
//	digest:2:p1:<hex>          string: 6:user_1ses_1, where the session with this digest is
//	id:ses_1                   string: user_1
//	limit:4:planacct_1/live    string: the windows of a subject of the limiter "plan"
//	witness:0                  string: there as long as nobody empties the database
//	ready:{<witness>}          string: there for a second, to see whether the server of that witness takes writes
//	changes                    channel: ids
//	beat:<random>              channel: heartbeats of one watch
//
// The text in braces decides which server of a cluster has a key, so that all sessions of
// a user are on one server. Every text that others choose follows its length, so that no
// two names are equal. A brace in such a text does no harm: the text in braces then ends
// there for all keys of the user.
type names string

func (n names) session(user, id string) string { return string(n) + "session:" + tag(user) + ":" + id }
func (n names) sessions(user string) string    { return string(n) + "sessions:" + tag(user) }
func (n names) limit(scope, subject string) string {
	return string(n) + "limit:" + counted(scope) + subject
}
func (n names) id(id string) string         { return string(n) + "id:" + id }
func (n names) witness(number int) string   { return string(n) + "witness:" + strconv.Itoa(number) }
func (n names) ready(witness string) string { return string(n) + "ready:{" + witness + "}" }
func (n names) changes() string             { return string(n) + "changes" }
func (n names) beat(random string) string   { return string(n) + "beat:" + random }

// digest contains the sum that is stored, an HMAC-SHA-256, which does not reveal the
// token.
func (n names) digest(d keyfmt.Digest) string {
	return string(n) + "digest:" + counted(d.Pepper) + ":" + hex.EncodeToString(d.Sum[:])
}

// lists returns a pattern for the names of the lists of sessions of all users.
func (n names) lists() string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`).Replace(string(n)) + "sessions:{*"
}

// user returns the user whose list of sessions has this name.
func (n names) user(list string) (string, error) {
	rest, ok := strings.CutPrefix(list, string(n)+"sessions:{")
	user, end, err := cutCounted(rest)
	if !ok || end != "}" || err != nil {
		return "", fmt.Errorf("%q is no list of sessions", list)
	}
	return user, nil
}

func tag(user string) string { return "{" + counted(user) + "}" }

// counted returns the length of s in bytes, followed by s.
func counted(s string) string { return strconv.Itoa(len(s)) + ":" + s }

var errCount = errors.New("no text of that length")

// cutCounted returns the text that counted has encoded, and the rest.
func cutCounted(s string) (first, rest string, err error) {
	length, s, ok := strings.Cut(s, ":")
	n, err := strconv.Atoi(length)
	if !ok || err != nil || n < 0 || n > len(s) {
		return "", "", errCount
	}
	return s[:n], s[n:], nil
}

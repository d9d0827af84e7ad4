package wire

import (
	"mime"
	"net/http"
	"strconv"
	"strings"
)

var errSurrogate = Invalid("invalid_json", `The body has an escape from \ud800 to \udfff that is half of a pair: send the whole character.`)

// sendsJSON reports whether a request has one Content-Type, and that is
// application/json. Package mime would also accept white space that HTTP does not know.
// A charset has no effect (RFC 8259 §11): JSON is UTF-8.
func sendsJSON(h http.Header) bool {
	values := h["Content-Type"]
	if len(values) != 1 || strings.ContainsFunc(values[0], func(r rune) bool { return r != '\t' && (r < ' ' || r > '~') }) {
		return false
	}
	media, _, err := mime.ParseMediaType(values[0])
	return err == nil && media == "application/json"
}

// halfPair reports whether valid JSON has an escape that is half of a UTF-16
// surrogate pair (RFC 8259 §8.2). Package json reads every one of them as U+FFFD,
// so that different texts, two passwords for example, would become the same.
func halfPair(data []byte) bool {
	for i := 0; i < len(data); i++ {
		if data[i] != '\\' {
			continue
		}
		switch unit := escaped(data[i:]); {
		case unit < 0: // of another kind: what comes behind the \ begins nothing
			i++
		case unit < 0xd800 || 0xdfff < unit:
			i += 5
		case unit > 0xdbff:
			return true
		default:
			if low := escaped(data[i+6:]); low < 0xdc00 || 0xdfff < low {
				return true
			}
			i += 11
		}
	}
	return false
}

// escaped returns the UTF-16 code unit of the \u escape that data begins with, or
// -1.
func escaped(data []byte) int64 {
	if len(data) < 6 || data[0] != '\\' || data[1] != 'u' {
		return -1
	}
	unit, err := strconv.ParseInt(string(data[2:6]), 16, 32)
	if err != nil {
		return -1
	}
	return unit
}

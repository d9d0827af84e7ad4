// Package wire reads and writes what the JSON API of a portal exchanges with its
// clients: bodies, queries, pages and times. An application may use it for its own
// routes.
//
// Everything that a client sends is read to the letter. What a client has misspelt, sent
// twice or left empty is an error that names the field or parameter and says what is
// expected, and is never passed over. Errors that concern the client are
// problem.Problem values; return them to tollgate.Gate.Refuse.
package wire

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"medtwin.ai/tollgate/problem"
)

// JSON answers with a status and v as JSON. It returns an error, and writes nothing, if v
// cannot be encoded, which is a mistake of the program.
func JSON(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("wire: the answer cannot be encoded: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(append(body, '\n'))
	return nil
}

// Invalid returns the problem of a request that asks for something wrong: status 400,
// with a code for programs and a sentence that tells people what is expected.
func Invalid(code, detail string) *problem.Problem {
	return &problem.Problem{Status: http.StatusBadRequest, Code: code, Detail: detail}
}

// Printable reports whether text has at most a number of characters, all of them
// printable, and at least another number without the space at either end.
func Printable(text string, least, most int) bool {
	return utf8.ValidString(text) && utf8.RuneCountInString(strings.TrimSpace(text)) >= least && utf8.RuneCountInString(text) <= most &&
		!strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}

// Name returns the name of a field or parameter as an answer may repeat it. A name that
// no field could have is not repeated, since it may be a credential in the wrong place.
func Name(name string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-."
	if name == "" || len(name) > 32 || strings.Trim(name, plain) != "" {
		return "(a name of other characters, or too long)"
	}
	return name
}

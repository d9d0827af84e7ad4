package wire

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"reflect"
	"strconv"
	"unicode/utf8"

	"medtwin.ai/tollgate/problem"
)

// MaxBody is the size of the largest body that is read, in bytes.
const MaxBody = 64 << 10

var (
	errNotJSON  = Invalid("invalid_json", "The body is not valid JSON in UTF-8: correct its syntax.")
	errTrailing = Invalid("invalid_json", "The body goes on after its JSON object: send one object and nothing else.")
)

// Decode reads the JSON body of r into v, a pointer to a struct whose fields have json
// tags. Errors are problems with these codes:
//
//   - unsupported_media_type (415): the Content-Type is not application/json
//   - body_too_large (413): there are more than [MaxBody] bytes
//   - body_too_late (408): the time for reading has passed
//   - invalid_json: it is not one value of JSON in UTF-8, or has half of a surrogate pair
//   - unknown_field, duplicate_field, invalid_field: the sentence names the field and what
//     is expected; null is what no field expects but a [Nullable] one
//
// Package json alone would match names in any case, let the last of two win, skip what it
// does not know, and read null as if the field were missing. Text is compared with the
// type of v token by token and refused at the first one that does not fit, so that a body
// costs no more than its type allows. Decode panics on a type that no body can have.
func Decode(w http.ResponseWriter, r *http.Request, v any) error {
	if !sendsJSON(r.Header) {
		return &problem.Problem{Status: http.StatusUnsupportedMediaType, Code: "unsupported_media_type", Detail: "Send the body as application/json."}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	switch tooLarge := (*http.MaxBytesError)(nil); {
	case errors.As(err, &tooLarge):
		return &problem.Problem{Status: http.StatusRequestEntityTooLarge, Code: "body_too_large", Detail: "The body may have at most " + strconv.Itoa(MaxBody) + " bytes."}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &problem.Problem{Status: http.StatusRequestTimeout, Code: "body_too_late", Detail: "The body did not arrive in time."}
	case err != nil:
		return Invalid("invalid_json", "The body could not be read: send it again.")
	}
	return strict(body, v)
}

// DecodeOptional is [Decode] for an endpoint whose body may be left out; then v stays as
// it is. A request has no body if it ends after its header, however it announces that:
// with a Content-Length of 0, with an empty chunk, or with nothing.
func DecodeOptional(w http.ResponseWriter, r *http.Request, v any) error {
	body := bufio.NewReader(r.Body)
	if _, err := body.Peek(1); err == io.EOF {
		return nil
	}
	r.Body = struct {
		io.Reader
		io.Closer
	}{body, r.Body}
	return Decode(w, r, v)
}

// A Nullable field of a body may be missing, null, or a value.
type Nullable[T any] struct {
	Given bool // the body has the field
	Value *T   // nil: the body has null, or no such field
}

// UnmarshalJSON implements json.Unmarshaler.
func (n *Nullable[T]) UnmarshalJSON(data []byte) error {
	n.Given = true
	return json.Unmarshal(data, &n.Value) // conform has read it
}

// element tells conform what the value is decoded into.
func (Nullable[T]) element() reflect.Type { return reflect.TypeFor[T]() }

// strict decodes data, the text of one JSON value, into v, a pointer.
func strict(data []byte, v any) error {
	if !utf8.Valid(data) {
		return errNotJSON
	}
	if halfPair(data) {
		return errSurrogate
	}
	t := reflect.TypeOf(v).Elem()
	mustConform(t)
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := conform(d, t, ""); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errTrailing
	}
	if json.Unmarshal(data, v) != nil { // the Decoder is not strict about everything
		return errNotJSON
	}
	return nil
}

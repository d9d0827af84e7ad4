package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"
)

const maxBody = 64 << 10

var (
	errNotJSON  = invalid(http.StatusBadRequest, "invalid_json", "The body is not valid JSON in UTF-8: correct its syntax.")
	errTrailing = invalid(http.StatusBadRequest, "invalid_json", "The body goes on after its JSON object: send one object and nothing else.")
)

// decode reads a JSON body into v, a pointer: one value, no more than maxBody
// bytes, strict as [strict] is.
func decode(w http.ResponseWriter, r *http.Request, v any) error {
	if !sendsJSON(r.Header) {
		return invalid(http.StatusUnsupportedMediaType, "unsupported_media_type", "Send the body as application/json.")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return invalid(http.StatusRequestEntityTooLarge, "body_too_large", "The body may have at most "+strconv.Itoa(maxBody)+" bytes.")
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return invalid(http.StatusRequestTimeout, "body_too_late", "The body did not arrive in time.")
	}
	if err != nil {
		return invalid(http.StatusBadRequest, "invalid_json", "The body could not be read: send it again.")
	}
	return strict(body, v)
}

// decodeOptional is decode for an endpoint whose body may be left out. A
// request has no body if it ends after its header, however it announces that:
// with a Content-Length of 0, with an empty chunk, or with nothing.
func decodeOptional(w http.ResponseWriter, r *http.Request, v any) error {
	body := bufio.NewReader(r.Body)
	if _, err := body.Peek(1); err == io.EOF {
		return nil
	}
	r.Body = struct {
		io.Reader
		io.Closer
	}{body, r.Body}
	return decode(w, r, v)
}

// strict decodes data, the text of one JSON value, into v, a pointer. Package
// json alone would match names in any case, let the last of two win, skip what
// it does not know, and read null as if the member were missing. Here all of
// that is refused, with the name of the field.
//
// The text is compared with the type of v token by token and refused at the
// first one that does not fit, so that a body costs no more than its type
// allows.
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

// conform reads one value and returns an error unless it can be decoded into a
// t. The path is where the value stands in the body: "" or "scope.projects[2]".
func conform(d *json.Decoder, t reflect.Type, path string) error {
	token, err := d.Token()
	if err != nil {
		return errNotJSON
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if c, ok := reflect.Zero(t).Interface().(interface{ element() reflect.Type }); ok { // a clearable
		if token == nil {
			return nil
		}
		t = c.element()
	}
	switch t.Kind() {
	case reflect.Slice:
		if token == json.Delim('[') {
			return conformList(d, t.Elem(), path)
		}
	case reflect.Struct, reflect.Map:
		if token == json.Delim('{') {
			return conformObject(d, t, path)
		}
	case reflect.String:
		if _, ok := token.(string); ok {
			return nil
		}
	case reflect.Bool:
		if _, ok := token.(bool); ok {
			return nil
		}
	case reflect.Int, reflect.Int64:
		if n, ok := token.(json.Number); ok {
			if n, err := n.Int64(); err == nil && !reflect.Zero(t).OverflowInt(n) {
				return nil
			}
		}
	}
	return invalid(http.StatusBadRequest, "invalid_field", cmp.Or(path, "The body")+": expected "+describe(t)+".")
}

// conformList reads the rest of a list, after its opening bracket.
func conformList(d *json.Decoder, element reflect.Type, path string) error {
	for i := 0; d.More(); i++ {
		if err := conform(d, element, path+"["+strconv.Itoa(i)+"]"); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return errNotJSON
	}
	return nil
}

// conformObject reads the rest of an object, after its opening bracket.
func conformObject(d *json.Decoder, t reflect.Type, path string) error {
	seen := make(map[string]bool)
	for d.More() {
		token, err := d.Token()
		name, ok := token.(string)
		if err != nil || !ok {
			return errNotJSON
		}
		member, ok := memberOf(t, name)
		full := quote(name)
		if path != "" {
			full = path + "." + full
		}
		switch {
		case !ok:
			return unknownField(full, members(t))
		case seen[name]:
			return invalid(http.StatusBadRequest, "duplicate_field", full+": the field is there twice; send it once.")
		}
		seen[name] = true
		if err := conform(d, member, full); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return errNotJSON
	}
	return nil
}

func unknownField(name string, known []string) error {
	return invalid(http.StatusBadRequest, "unknown_field", name+": there is no such field here; expected "+oneOf(known)+".")
}

// describe says what JSON a type is decoded from.
func describe(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Slice:
		if t.Elem().Kind() == reflect.String {
			return "a list of strings"
		}
		return "a list of objects"
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	}
	panic("decode: no body can have a " + t.String() + ": teach conform to read it")
}

// mustConform panics on a type that conform does not know anywhere within t, so
// that the first request with a body shows it, whatever that has.
func mustConform(t reflect.Type) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if c, ok := reflect.Zero(t).Interface().(interface{ element() reflect.Type }); ok {
		mustConform(c.element())
		return
	}
	describe(t)
	switch t.Kind() {
	case reflect.Slice, reflect.Map:
		mustConform(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if f := t.Field(i); memberName(f) != "" {
				mustConform(f.Type)
			}
		}
	}
}

// memberOf returns the type of the member of that very name.
func memberOf(t reflect.Type, name string) (reflect.Type, bool) {
	if t.Kind() == reflect.Map {
		return t.Elem(), true
	}
	for i := range t.NumField() {
		if f := t.Field(i); memberName(f) == name && name != "" {
			return f.Type, true
		}
	}
	return nil, false
}

// members returns the names of all members of a struct.
func members(t reflect.Type) (names []string) {
	for i := range t.NumField() {
		if name := memberName(t.Field(i)); name != "" {
			names = append(names, name)
		}
	}
	return names
}

func memberName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	if name == "-" {
		return ""
	}
	return name
}

// oneOf lists names for a sentence.
func oneOf(names []string) string {
	switch n := len(names); n {
	case 0:
		return "none"
	case 1:
		return names[0]
	default:
		return strings.Join(names[:n-1], ", ") + " or " + names[n-1]
	}
}

// quote returns the name of a field or parameter as an answer may repeat it. A
// name that none here could be is not repeated: it may be a credential in the
// wrong place, or anything else.
func quote(name string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-."
	if name == "" || len(name) > 32 || strings.Trim(name, plain) != "" {
		return "(a name of other characters, or too long)"
	}
	return name
}

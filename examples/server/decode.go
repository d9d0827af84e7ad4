package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"
)

const maxBody = 64 << 10

var (
	errNotDocumented = invalid(http.StatusBadRequest, "invalid_json", "The body is not the JSON object that this endpoint documents.")
	errUnknownField  = invalid(http.StatusBadRequest, "unknown_field", "The body has a field that this endpoint does not know.")
)

// decode reads a JSON body into v, a pointer: one value, no more than maxBody
// bytes, strict as [strict] is.
func decode(w http.ResponseWriter, r *http.Request, v any) error {
	if media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); media != "application/json" {
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
		return errNotDocumented
	}
	return strict(body, v)
}

// strict decodes data into v, and takes nothing for what it is not: package
// json alone would match names in any case, let the last of two win, skip what
// it does not know, and read null as if the member were missing. A type that
// has its own UnmarshalJSON says for itself what null means.
func strict(data []byte, v any) error {
	if !utf8.Valid(data) || !json.Valid(data) { // the latter refuses trailing data too
		return errNotDocumented
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := exact(d, reflect.TypeOf(v).Elem()); err != nil {
		return err
	}
	err := json.Unmarshal(data, v)
	if err == nil {
		return nil
	}
	if bad := (*badRequest)(nil); errors.As(err, &bad) { // of an UnmarshalJSON
		return bad
	}
	return errNotDocumented
}

// exact reads one value, which is to be decoded into a t; nil is any type.
func exact(d *json.Decoder, t reflect.Type) error {
	token, err := d.Token()
	if err != nil {
		return errNotDocumented
	}
	t = shape(t)
	switch token {
	case nil:
		if t != nil {
			return errNotDocumented
		}
	case json.Delim('['):
		var element reflect.Type
		if t != nil && t.Kind() == reflect.Slice {
			element = t.Elem()
		}
		for d.More() {
			if err := exact(d, element); err != nil {
				return err
			}
		}
		_, err = d.Token()
	case json.Delim('{'):
		seen := make(map[string]bool)
		for d.More() {
			token, err := d.Token()
			name, ok := token.(string)
			if err != nil || !ok || seen[name] {
				return errNotDocumented
			}
			seen[name] = true
			member, ok := memberOf(t, name)
			if !ok {
				return errUnknownField
			}
			if err := exact(d, member); err != nil {
				return err
			}
		}
		_, err = d.Token()
	}
	if err != nil {
		return errNotDocumented
	}
	return nil
}

var unmarshaler = reflect.TypeFor[json.Unmarshaler]()

// shape returns the type behind pointers, nil for one that decides for itself.
func shape(t reflect.Type) reflect.Type {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil || t.Kind() == reflect.Interface || reflect.PointerTo(t).Implements(unmarshaler) {
		return nil
	}
	return t
}

// memberOf returns the type of the member of that very name.
func memberOf(t reflect.Type, name string) (reflect.Type, bool) {
	if t == nil {
		return nil, true
	}
	switch t.Kind() {
	case reflect.Map:
		return t.Elem(), true
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			if tag, _, _ := strings.Cut(f.Tag.Get("json"), ","); tag == name && tag != "-" {
				return f.Type, true
			}
		}
	}
	return nil, false
}

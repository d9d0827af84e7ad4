package wire

import (
	"cmp"
	"encoding/json"
	"reflect"
	"strconv"
	"strings"

	"medtwin.ai/tollgate/internal/suggest"
)

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
	if c, ok := reflect.Zero(t).Interface().(interface{ element() reflect.Type }); ok { // a Nullable
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
	return Invalid("invalid_field", cmp.Or(path, "The body")+": expected "+describe(t)+".")
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
		full := Name(name)
		if path != "" {
			full = path + "." + full
		}
		switch {
		case !ok:
			return unknownField(full, members(t))
		case seen[name]:
			return Invalid("duplicate_field", full+": the field is there twice; send it once.")
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
	return Invalid("unknown_field", name+": there is no such field here; expected "+suggest.List(known)+".")
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
	panic("wire: no body can have a " + t.String() + ": teach conform to read it")
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

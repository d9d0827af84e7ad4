package api

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"medtwin.ai/tollgate/authz"
	"medtwin.ai/tollgate/keyfmt"
	"medtwin.ai/tollgate/portal/wire"
)

// A resource serves one collection of documents. Every document is an object
// with a name and what else its fields allow.
type resource struct {
	*server
	collection collection
	prefix     string // of ids: "proj_"
	parent     string // wildcard of the path that names the parent; "": none
	parentName string // its name in the JSON: "project_id"
	scope      string // the kind of resource that a list is filtered by; "": none
	scopeKey   string // the column that holds its ids: "id", "parent"
	fields     map[string]bool
	prepare    func(ctx context.Context, t tenant, parent string, fields map[string]any) error // before a document is stored
}

func (s *resource) parentOf(r *http.Request) string {
	if s.parent == "" {
		return ""
	}
	return r.PathValue(s.parent)
}

// list answers one page. What the caller may not see is left out in the query.
func (s *resource) list(w http.ResponseWriter, r *http.Request) {
	after, limit, err := wire.ReadPage(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	visible := authz.All()
	if s.scope != "" {
		visible = authz.Visible(r.Context(), s.scope)
	}
	parent := s.parentOf(r)
	if s.parent != "" && parent == "" {
		parent = "*" // the list over all parents
	}
	_, t := caller(r)
	if s.collection.within != "" {
		if _, err := s.documents.get(r.Context(), t, collection{name: s.collection.within}, "", parent); err != nil {
			s.fail(w, r, err)
			return
		}
	}
	docs, err := s.documents.list(r.Context(), t, s.collection, parent, s.scopeKey, visible, after, limit+1)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.respond(w, r, http.StatusOK, wire.NewPage(docs, limit, func(d document) string { return d.ID }, s.render))
}

func (s *resource) get(w http.ResponseWriter, r *http.Request) {
	_, t := caller(r)
	d, err := s.documents.get(r.Context(), t, s.collection, s.parentOf(r), r.PathValue("id"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.respond(w, r, http.StatusOK, s.render(d))
}

func (s *resource) create(w http.ResponseWriter, r *http.Request) {
	fields, err := s.read(w, r, true)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	_, t := caller(r)
	parent := s.parentOf(r)
	if s.prepare != nil {
		if err := s.prepare(r.Context(), t, parent, fields); err != nil {
			s.fail(w, r, err)
			return
		}
	}
	now := s.now()
	body, err := json.Marshal(fields)
	d := document{ID: keyfmt.NewID(s.prefix, now), Parent: parent, Body: body, Created: now.UTC().Truncate(time.Microsecond)}
	if err == nil {
		err = s.documents.add(r.Context(), t, s.collection, d)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.respond(w, r, http.StatusCreated, s.render(d))
}

// update changes the fields that the body names.
func (s *resource) update(w http.ResponseWriter, r *http.Request) {
	changed, err := s.read(w, r, false)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	_, t := caller(r)
	d, err := s.documents.update(r.Context(), t, s.collection, s.parentOf(r), r.PathValue("id"), changed)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.respond(w, r, http.StatusOK, s.render(d))
}

func (s *resource) remove(w http.ResponseWriter, r *http.Request) {
	_, t := caller(r)
	if err := s.documents.remove(r.Context(), t, s.collection, s.parentOf(r), r.PathValue("id")); err != nil {
		s.fail(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// read takes the fields of a document from the body. A field that the resource
// does not have is an error: whose the document is, for one, is never there.
func (s *resource) read(w http.ResponseWriter, r *http.Request, whole bool) (map[string]any, error) {
	var texts map[string]string
	if err := wire.Decode(w, r, &texts); err != nil {
		return nil, err
	}
	fields := make(map[string]any, len(texts))
	for name, text := range texts {
		if !s.fields[name] {
			return nil, wire.Invalid("unknown_field", wire.Name(name)+": there is no such field here; expected "+strings.Join(slices.Sorted(maps.Keys(s.fields)), " or ")+".")
		}
		fields[name] = text
	}
	name, given := fields["name"].(string)
	if n := utf8.RuneCountInString(name); (given || whole) && (strings.TrimSpace(name) == "" || n > 200) {
		return nil, invalid(http.StatusBadRequest, "invalid_name", "name must be a text of 1 to 200 characters.")
	}
	return fields, nil
}

func (s *resource) render(d document) map[string]any {
	var v map[string]any
	if err := json.Unmarshal(d.Body, &v); err != nil || v == nil { // nothing that a request can bring about
		s.log.Error("a document is not an object", slog.String("id", d.ID), slog.Any("err", err))
		v = map[string]any{}
	}
	v["id"], v["created_at"] = d.ID, d.Created.Format(time.RFC3339)
	if s.parentName != "" {
		v[s.parentName] = d.Parent
	}
	return v
}

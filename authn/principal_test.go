package authn_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"medtwin.ai/tollgate/authn"
	"medtwin.ai/tollgate/authn/apikey"
	"medtwin.ai/tollgate/authz"
)

// case K13: what a handler does to its principal reaches nobody else.
func TestPrincipalIsACopy(t *testing.T) {
	d := newDoor(t)
	here := netip.MustParsePrefix("192.0.2.0/24") // where httptest comes from
	_, token := d.issue(func(s *apikey.Spec) { s.Addresses = []netip.Prefix{here} })
	spoil := func(p *authn.Principal) {
		p.Account, p.Rights = "acct_2", nil
		p.Addresses[0] = netip.MustParsePrefix("0.0.0.0/0")
		p.Addresses = append(p.Addresses[:0], p.Addresses[0])
	}
	h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		p, ok := authn.FromContext(r.Context())
		if !ok || p.Account != account || p.Addresses[0] != here {
			t.Errorf("principal %v, %v", p, ok)
		}
		spoil(&p)
		if p, _ = authn.FromContext(r.Context()); p.Account != account || p.Addresses[0] != here {
			t.Errorf("the second principal of the request: %v", p)
		}
	})
	for range 2 { // read, then remembered
		d.mw.Wrap(h).ServeHTTP(httptest.NewRecorder(), request("Bearer "+token))
	}
	p, err := d.keys.Authenticate(t.Context(), authn.NewCredential("bearer", token), d.now)
	if err != nil {
		t.Fatal(err)
	}
	spoil(p)
	r := request("Bearer " + token)
	r.RemoteAddr = "203.0.113.1:1"
	if rec, passed := d.knock(r); passed || rec.Code != 403 {
		t.Errorf("from elsewhere: %d, want 403", rec.Code)
	}
	if _, passed := d.knock(request("Bearer " + token)); !passed {
		t.Error("refused from where it may be used")
	}
	if _, ok := authn.FromContext(context.Background()); ok {
		t.Error("a principal without a request")
	}
}

// case K13: no field of a principal leads a handler to memory that others
// share, whatever is added to it: what a slice holds is copied, what a pointer
// leads to has no exported fields, and of [authz.Rights] a copy denies.
func TestPrincipalSharesNothing(t *testing.T) {
	shared := authn.Principal{Rights: new(authz.Rights)}
	v := reflect.ValueOf(&shared).Elem()
	for i := range v.NumField() {
		if f := v.Field(i); f.Kind() == reflect.Slice {
			f.Set(reflect.MakeSlice(f.Type(), 1, 1))
		}
	}
	mw := must(authn.New(authn.Config{Authenticators: []authn.Authenticator{&rememberer{p: &shared}}, ClientAddr: everywhere(&shared)}))
	r, err := mw.Check(request("Bearer x"))
	if err != nil {
		t.Fatal(err)
	}
	got, _ := authn.FromContext(r.Context())
	for i := range v.NumField() {
		name, f, g := v.Type().Field(i).Name, v.Field(i), reflect.ValueOf(got).Field(i)
		t.Run(name, func(t *testing.T) {
			switch f.Kind() {
			case reflect.Slice:
				if g.Len() != 1 || g.UnsafePointer() == f.UnsafePointer() {
					t.Errorf("the handler got %v, in the memory of the cache: %v", g, g.UnsafePointer() == f.UnsafePointer())
				}
				if k := f.Type().Elem(); k != reflect.TypeFor[netip.Prefix]() {
					t.Errorf("an element is a %v: say here why a shallow copy is enough", k)
				}
			case reflect.String, reflect.Uint8:
			case reflect.Struct:
				if f.Type() != reflect.TypeFor[time.Time]() {
					t.Errorf("a %v: say here what it leads to", f.Type())
				}
			case reflect.Pointer:
				for j := range f.Type().Elem().NumField() {
					if e := f.Type().Elem().Field(j); e.IsExported() {
						t.Errorf("%s.%s can be written to", name, e.Name)
					}
				}
			default:
				t.Errorf("a %v: say here what it leads to", f.Type())
			}
		})
	}
}

// everywhere admits by the first of the addresses.
func everywhere(p *authn.Principal) func(*http.Request) netip.Addr {
	p.Addresses = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	return func(*http.Request) netip.Addr { return netip.MustParseAddr("192.0.2.1") }
}

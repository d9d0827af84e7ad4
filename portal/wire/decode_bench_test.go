package wire

import (
	"net/http/httptest"
	"strings"
	"testing"
)

// The body of a login, which anybody may send: what is not what the endpoint
// documents must cost no more than what is.
func BenchmarkDecode(b *testing.B) {
	const most = MaxBody - 64
	for _, c := range []struct{ name, body string }{
		{"string", `{"email":"` + strings.Repeat("x", most) + `"}`},
		{"list", `{"email":[` + strings.Repeat("1,", most/2) + `1]}`},
		{"nested", `{"email":` + strings.Repeat("[", most/2) + strings.Repeat("]", most/2) + `}`},
		{"object", `{"email":{` + strings.Repeat(`"a":1,`, most/6) + `"b":1}}`},
		{"unknown", `{"emails":[` + strings.Repeat("1,", most/2) + `1]}`},
		{"after", `{"email":"x"}` + strings.Repeat("1,", most/2)},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var body struct {
					Email string `json:"email"`
				}
				r := httptest.NewRequest("POST", "/", strings.NewReader(c.body))
				r.Header.Set("Content-Type", "application/json")
				if err := Decode(httptest.NewRecorder(), r, &body); (err == nil) != (c.name == "string") {
					b.Fatal(err)
				}
			}
		})
	}
}

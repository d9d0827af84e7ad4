package wire

import (
	"encoding/json"
	"strconv"
	"testing"
)

func TestReadPage(t *testing.T) {
	const bad = "invalid_limit: limit must be a number from 1 to 200."
	for _, tt := range []struct {
		query, after string
		limit        int
		err          string
	}{
		{"", "", 50, ""},
		{"limit=1&after=key_1", "key_1", 1, ""},
		{"limit=200&after=", "", 200, ""},
		{"limit=0", "", 0, bad},
		{"limit=201", "", 0, bad},
		{"limit=257", "", 0, bad},
		{"limit=-1", "", 0, bad},
		{"limit=%2B1", "", 0, bad},
		{"limit=ten", "", 0, bad},
	} {
		t.Run(tt.query, func(t *testing.T) {
			after, limit, err := ReadPage(asked(tt.query))
			got := ""
			if err != nil {
				got = sentence(err)
			}
			if after != tt.after || limit != tt.limit || got != tt.err {
				t.Errorf("got %q, %d, %q; want %q, %d, %q", after, limit, got, tt.after, tt.limit, tt.err)
			}
		})
	}
}

func TestNewPage(t *testing.T) {
	id := func(n int) string { return "n" + strconv.Itoa(n) }
	for _, tt := range []struct {
		name string
		list []int
		want string
	}{
		{"empty", nil, `{"data":[]}`},
		{"the last", []int{1, 2}, `{"data":["n1","n2"]}`},
		{"not the last", []int{1, 2, 3}, `{"data":["n1","n2"],"next":"n2"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := json.Marshal(NewPage(tt.list, 2, id, id))
			if string(got) != tt.want || err != nil {
				t.Errorf("got %s, %v; want %s", got, err, tt.want)
			}
		})
	}
}

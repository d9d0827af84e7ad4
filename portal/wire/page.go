package wire

import (
	"net/http"
	"strconv"
)

// A Page is one page of a list.
type Page[T any] struct {
	Data []T `json:"data"`
	// Next is the value of ?after for the next page, "" on the last one.
	Next string `json:"next,omitempty"`
}

// The numbers of elements on a page.
const (
	defaultLimit = 50
	maxLimit     = 200
)

// ReadPage returns which page of a list r asks for with ?limit (1 to 200, by default 50)
// and ?after, the Next of the page before. Read limit+1 elements for [NewPage].
func ReadPage(r *http.Request) (after string, limit int, err error) {
	q := r.URL.Query()
	limit = defaultLimit
	if text := q.Get("limit"); text != "" {
		n, err := strconv.ParseUint(text, 10, 8) // which takes no sign
		if limit = int(n); err != nil || n < 1 || n > maxLimit {
			return "", 0, Invalid("invalid_limit", "limit must be a number from 1 to 200.")
		}
	}
	return q.Get("after"), limit, nil
}

// NewPage returns the first limit elements of list as show renders them. If list has
// more, Next is the id of the last element on the page.
func NewPage[T, A any](list []T, limit int, id func(T) string, show func(T) A) Page[A] {
	p := Page[A]{Data: []A{}}
	for i, x := range list {
		if i == limit {
			p.Next = id(list[i-1])
			break
		}
		p.Data = append(p.Data, show(x))
	}
	return p
}

package portal_test

import (
	"fmt"
	"strings"
	"testing"
)

// cases T3, T4: an answer that shows a key may not be kept by caches, has it in the body
// alone, and shows it this once: no page that can be read afterwards has it.
func TestShownOnce(t *testing.T) {
	desks(t, func(t *testing.T, d *desk) {
		_, owner := d.joins("acct_1", "owner")
		first := d.makes(owner, seedCreate)
		secrets := map[string]string{"the first key": first.Key}
		ids := []string{first.ID}
		for _, c := range []struct{ path, body string }{
			{"/api-keys", seedScoped},
			{"/api-keys/" + first.ID + "/rotate", ""},
		} {
			a := d.must(201, "POST", c.path, owner, c.body)
			key := keyIn(t, a)
			if a.header.Get("Cache-Control") != "private, no-store" {
				t.Errorf("%s: got Cache-Control %q, want private, no-store", c.path, a.header.Get("Cache-Control"))
			}
			if key.Key == "" || strings.Count(a.body, key.Key) != 1 || strings.Contains(fmt.Sprint(a.header), key.Key) {
				t.Errorf("%s shows the key not once, or in a header: %v %s", c.path, a.header, a.body)
			}
			secrets[c.path] = key.Key
			ids = append(ids, key.ID)
		}
		read := 0
		for _, rt := range d.gate.Table() {
			path, ok := strings.CutPrefix(rt.Pattern, "GET "+d.portal.Prefix)
			if !ok {
				continue
			}
			for _, id := range ids {
				a := d.do("GET", strings.NewReplacer("{id}", id, "{project}", id).Replace(path), owner, "")
				if a.status == 200 {
					read++
				}
				for where, secret := range secrets {
					if strings.Contains(a.body+fmt.Sprint(a.header), secret[8:]) {
						t.Errorf("GET %s shows the key of %s", path, where)
					}
				}
			}
		}
		if read < 5*len(ids) {
			t.Errorf("only %d pages could be read", read)
		}
		for where, secret := range secrets {
			if strings.Contains(d.log.String(), secret[8:]) {
				t.Errorf("the log has the key of %s", where)
			}
		}
	})
}

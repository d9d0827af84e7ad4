package portal_test

import (
	"fmt"
	"regexp"
	"slices"
	"testing"
	"time"

	"medtwin.ai/tollgate/store"
)

// rounds is how often each address is measured.
const rounds = 1000

// Whether an address has a user elsewhere shows neither in the answer nor in how long it
// takes: over 1,000 interleaved rounds the bytes are equal and the medians differ by less
// than a tenth. case S28
func TestAddressesTellNothing(t *testing.T) {
	known := func(i int) string { return fmt.Sprintf("known-%04d@example.com", i) }
	unknown := func(i int) string { return fmt.Sprintf("alien-%04d@example.com", i) }
	tests := []struct {
		name string
		ask  func(d *desk, owner, email string) answer
	}{
		{"invitation", func(d *desk, owner, email string) answer {
			return d.do("POST", "/team", owner, `{"email":"`+email+`","role":"viewer"}`)
		}},
		{"reset", func(d *desk, _, email string) answer {
			d.setNow(d.time().Add(20 * time.Minute)) // the limits of asking are not what is measured
			return d.do("POST", "/auth/reset", "", `{"email":"`+email+`"}`)
		}},
	}
	varies := regexp.MustCompile(`inv_\w+|\d{4}-\d\d-\d\dT[\d:]+Z|(known|alien)-\d{4}`)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var ratio float64
			for range 5 { // a busy machine can spoil one measurement
				d := newMailDesk(t)
				d.account("acct_2", "standard")
				for i := range rounds { // members of another account
					user := store.User{ID: fmt.Sprint("user_", i), Email: known(i)}
					if err := d.config.Store.Users().Create(t.Context(), user); err != nil {
						t.Fatal(err)
					}
					d.belongs(user.ID, "acct_2", "viewer")
				}
				_, owner := d.joins("acct_1", "owner")
				var took [2][]time.Duration
				var body [2]string
				mails := d.portal.Mail.(inbox)
				for i := 0; i < 2*rounds; i++ {
					email := known(i / 2)
					if i%2 == 1 {
						email = unknown(i / 2)
					}
					began := time.Now()
					a := tt.ask(d, owner, email)
					if a.status == 503 { // too many mails wait: one has been sent when it is here
						<-mails
						i--
						continue
					}
					took[i%2] = append(took[i%2], time.Since(began))
					if a.status != 202 {
						t.Fatalf("%s: got %d %s, want 202", email, a.status, a.body)
					}
					if body[i%2] = varies.ReplaceAllString(a.body, "…"); i > 0 && body[0] != body[1] {
						t.Fatalf("got %s for a user elsewhere and %s for nobody", body[0], body[1])
					}
					if len(mails) > cap(mails)/2 {
						for range cap(mails) / 4 {
							<-mails
						}
					}
				}
				ratio = float64(median(took[0])) / float64(median(took[1]))
				t.Logf("medians of %d rounds: user elsewhere %v, nobody %v, ratio %.3f", rounds, median(took[0]), median(took[1]), ratio)
				if 0.9 < ratio && ratio < 1.1 {
					return
				}
			}
			t.Errorf("got medians that differ by the ratio %.3f, want less than a tenth", ratio)
		})
	}
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}

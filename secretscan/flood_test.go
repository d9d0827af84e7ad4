package secretscan_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"medtwin.ai/tollgate/secretscan"
)

// flooded is a server whose source of keys is down, and that takes the address
// of a client from what it says about itself.
func flooded(t *testing.T) (*server, *source) {
	src := newSource(t, nil)
	src.set(true, nil)
	return newServer(t, src.URL, func(c *secretscan.Config) {
		c.Addr = func(r *http.Request) netip.Addr {
			return netip.MustParseAddr(r.Header.Get("GITHUB-PUBLIC-KEY-IDENTIFIER")[3:])
		}
	}), src
}

// sendFrom sends a report, signed by somebody, from an address.
func (s *server) sendFrom(t *testing.T, addr, body string) int {
	t.Helper()
	a := s.send(t, "key"+addr, "AAAA", strings.NewReader(body))
	if a.status == 503 && a.header.Get("Retry-After") != "30" {
		t.Errorf("503 with Retry-After %q", a.header.Get("Retry-After"))
	}
	return a.status
}

// case T5: forged reports, which nobody can tell yet, have a share of the room
// for each network. The door stays open to the others.
func TestShare(t *testing.T) {
	s, _ := flooded(t)
	got := map[int]int{}
	for i := range secretscan.Share + 20 { // of IPv6 the /64 is one network
		got[s.sendFrom(t, fmt.Sprintf("2001:db8::%x", i%10), fmt.Sprintf(`[{"token":"forged%d"}]`, i))]++
	}
	if got[202] != secretscan.Share || got[503] != 20 {
		t.Errorf("of one network: got %v, want %d kept and 20 refused", got, secretscan.Share)
	}
	if got := s.sendFrom(t, "2001:db8::0", `[{"token":"forged0"}]`); got != 202 {
		t.Errorf("one that waits already: got %d, want 202", got)
	}
	for _, addr := range []string{"2001:db8:0:1::", "192.0.2.1"} {
		if got := s.sendFrom(t, addr, report); got != 202 {
			t.Errorf("from %s: got %d, want 202", addr, got)
		}
	}
	large := `[{"token":"x","url":"` + strings.Repeat("u", secretscan.ShareBytes/3) + `"}]`
	for i, want := range []int{202, 202, 503} {
		if got := s.sendFrom(t, "192.0.2.2", large+strings.Repeat(" ", i)); got != want {
			t.Errorf("large report %d: got %d, want %d", i, got, want)
		}
	}
	s.fill(1, 50, "another")
	if n, want := s.rows(), secretscan.Share+5; n != want {
		t.Errorf("%d reports wait, want %d", n, want)
	}
}

// case T5: where the table is full, the network that takes the most room loses
// its oldest report. What is verified stays, and so does the report of a network
// that sends few.
//
// The room that is flooded has a tenth of the reports and a hundredth of the bytes.
func TestFlood(t *testing.T) {
	if secretscan.MaxWaiting != 1000 || secretscan.MaxWaitingBytes != 64<<20 {
		t.Errorf("there is room for %d reports and %d bytes, want 1000 and 64 MiB", secretscan.MaxWaiting, secretscan.MaxWaitingBytes)
	}
	reports, room := secretscan.MaxWaiting/10, secretscan.MaxWaitingBytes/100
	for _, tt := range []struct {
		name                     string
		networks, reports, bytes int // that are not verified
		verified, verifiedBytes  int
		status                   int // of the report that comes then
		flood                    int // reports after it
		left                     int
	}{
		{"all reports of ten networks", 10, reports / 10, 50, 0, 0, 202, reports / 20, reports},
		{"all bytes of four networks", 4, 2, room / 8, 0, 0, 202, reports / 20, 8},
		{"all reports of as many networks", reports, 1, 50, 0, 0, 202, reports / 20, reports},
		{"all verified but one", 1, 1, 50, reports - 1, 50, 202, 0, reports},
		{"all verified", 0, 0, 0, reports, 50, 503, 0, reports},
		{"all bytes verified", 0, 0, 0, 1, room, 503, 0, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, src := flooded(t)
			s.SetRoom(reports, room)
			s.fill(tt.verified, tt.verifiedBytes, "")
			for i := range tt.networks {
				s.fill(tt.reports, tt.bytes, fmt.Sprint("network ", i))
			}
			if tt.reports > 1 {
				s.clock.Add(-2 * time.Hour) // it is the oldest of all: of equal networks that would lose it
			}
			key := newKey(t)
			a := s.signed(t, "key192.0.2.1", key, report)
			if a.status != tt.status {
				t.Errorf("got %d, want %d", a.status, tt.status)
			}
			if n := s.rows(); n != tt.left {
				t.Errorf("%d reports wait, want %d", n, tt.left)
			}
			verified := 0
			for _, k := range s.store.kept {
				if k.Origin == "" {
					verified++
				}
			}
			if verified != tt.verified {
				t.Errorf("%d verified reports are left, want %d", verified, tt.verified)
			}
			if tt.status != 202 {
				return
			}
			for i := range tt.flood { // it goes on, from one more network
				s.sendFrom(t, "198.51.100.1", fmt.Sprintf(`[{"token":"forged%d"}]`, i))
			}
			src.set(false, map[string]string{"key192.0.2.1": encode(t, key.Public())})
			s.clock.Add(secretscan.Pause)
			if err := s.CatchUp(t.Context()); err != nil {
				t.Fatal(err)
			}
			if told := s.told(); len(told["mt_live_ours"]) != 1 {
				t.Errorf("the report was pushed out: told %v", told)
			}
			if !strings.Contains(s.log.String(), "pushed_out=") || strings.Contains(s.log.String(), "pushed_out=0") {
				t.Errorf("the log does not say how many were pushed out:\n%s", s.log)
			}
		})
	}
}

// case T5: what is blank or of another type does not refuse the rest of a
// report.
func TestBlankTokens(t *testing.T) {
	key := newKey(t)
	s := newServer(t, newSource(t, map[string]string{"k1": encode(t, key.Public())}).URL, nil)
	const good = `{"token":"mt_live_ours"}`
	want := `[{"token_hash":"` + hash("mt_live_ours") + `","token_type":"","label":"true_positive"}]`
	for _, body := range []string{
		`[{"token":""},` + good + `]`, `[` + good + `,{"token":" \t\n"}]`, `[` + good + `,{}]`, `[null,` + good + `]`,
		`["x",` + good + `]`, `[{"token":1},` + good + `]`, `[{"token":"mt_live_ours","url":7,"source":[]}]`,
	} {
		if a := s.signed(t, "k1", key, body); a.status != 200 || a.body != want {
			t.Errorf("%s: got %d %s, want 200 %s", body, a.status, a.body, want)
		}
	}
}

package api

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// composed returns what compose.yaml sets a TOLLGATE_ variable to.
func composed(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../../../compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^ +` + name + `: (\S+)`).FindSubmatch(text)
	if m == nil {
		t.Fatalf("compose.yaml sets no %s", name)
	}
	return string(m[1])
}

// caddy runs the proxy of compose.yaml before these servers and returns its URL.
func caddy(t *testing.T, servers ...string) string {
	t.Helper()
	text, err := os.ReadFile("../../../compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), "    content: |\n")
	settings, _, ended := strings.Cut(rest, "\n\n")
	to := regexp.MustCompile(`(?m)^ +to .*$`)
	if !ok || !ended || !to.MatchString(settings) {
		t.Fatal("compose.yaml holds no settings of Caddy")
	}
	addr := freeAddr(t)
	settings = strings.Replace(settings, ":8080 {", "http://"+addr+" {", 1)
	settings = to.ReplaceAllLiteralString(settings, "to "+strings.Join(servers, " "))
	dir := t.TempDir()
	file := filepath.Join(dir, "Caddyfile")
	if err := os.WriteFile(file, []byte("{\nadmin off\nauto_https off\n}\n"+settings+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("caddy", "run", "--config", file, "--adapter", "caddyfile")
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_CONFIG_HOME="+dir, "XDG_DATA_HOME="+dir)
	logs := &lockedLog{}
	cmd.Stderr = logs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("caddy:\n%s", logs)
		}
	})
	p := &process{t: t, credentials: credentials{BaseURL: "http://" + addr}}
	every := time.NewTicker(20 * time.Millisecond)
	defer every.Stop()
	for late := time.Now().Add(10 * time.Second); time.Now().Before(late); <-every.C {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			if a := p.get("/health", ""); a.status == 200 {
				return p.BaseURL
			}
		}
	}
	t.Fatalf("caddy does not serve:\n%s", logs)
	return ""
}

// freeAddr returns an address of this machine that nobody listens at.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Two servers behind the proxy of compose.yaml are replaced one after the other,
// each with the same address as before, and no POST is lost.
func TestRollLosesNoRequest(t *testing.T) {
	t.Parallel()
	drain := composed(t, "TOLLGATE_DRAIN")
	database := postgres(t)
	dir := t.TempDir()
	addrs := []string{freeAddr(t), freeAddr(t)}
	run := func(addr string) *process {
		return start(t, dir, "--database", database, "--trusted-proxies", "127.0.0.1", "--drain", drain, "--listen", addr)
	}
	servers := []*process{run(addrs[0]), run(addrs[1])}
	f := &fleet{t: t, client: &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 100}}}
	t.Cleanup(f.client.CloseIdleConnections)
	front := &process{t: t, credentials: credentials{BaseURL: caddy(t, addrs...)}}
	f.attach(dir, database, "")
	key := f.account(1).keys[0]

	ctx, end := context.WithCancel(t.Context())
	var all sync.WaitGroup
	var mu sync.Mutex
	sent, lost := 0, map[string]int{}
	for range 8 {
		all.Go(func() {
			pause := time.NewTicker(25 * time.Millisecond)
			defer pause.Stop()
			for ; ctx.Err() == nil; <-pause.C {
				a := f.do(front, "POST", "/v1/projects", key, `{"name":"rolled"}`)
				mu.Lock()
				if sent++; a.status != 201 {
					lost[fmt.Sprint(a.status, " ", a.body)]++
				}
				mu.Unlock()
			}
		})
	}
	busy := func(p *process) { // it is served by now
		every := time.NewTicker(20 * time.Millisecond)
		defer every.Stop()
		for late := time.Now().Add(10 * time.Second); !strings.Contains(p.logs.String(), `"POST /v1/projects"`); <-every.C {
			if time.Now().After(late) {
				t.Fatal("the proxy sends a server no requests")
			}
		}
	}
	for i, addr := range addrs {
		busy(servers[i])
		began := time.Now()
		servers[i].stop()
		t.Logf("stopped after %v", time.Since(began).Round(10*time.Millisecond))
		servers[i] = run(addr)
		busy(servers[i])
	}
	end()
	all.Wait()
	if len(lost) > 0 {
		t.Errorf("of %d POSTs, lost: %v", sent, lost)
	}
	t.Logf("%d POSTs", sent)
}

package api

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"

	"medtwin.ai/tollgate"
	"medtwin.ai/tollgate/ratelimit"
)

// A config is what the operator sets, by flag or by environment: --pepper-file
// is TOLLGATE_PEPPER_FILE. A flag wins.
type config struct {
	database      string // "postgres://…", "sqlite:FILE" or "memory"
	redis         string // where sessions are; "": in the database
	redisReplicas int
	pepperFile    string
	mail          string // "", "log", "folder:DIR" or an SMTP server
	mailFrom      string
	acceptURL     string // the page that takes tokens of mails

	// of serve alone
	listen         string
	listenDatabase string // where it hears of changes; "": the database
	outageLease    time.Duration
	drain          time.Duration
	keep           keepTimes
	demo           bool
	demoFile       string
	trusted        string
	origins        string
	leakKeys       string
	privateHooks   bool
	logLevel       slog.Level

	localLimits bool

	limits ratelimit.Store // of tests; nil: Redis, or counters in this process
}

// keepTimes are for how long what has ended is kept; 0: for ever.
type keepTimes struct{ sessions, keys, events time.Duration }

// retention says the same to the gate, where a negative one is for ever.
func (k keepTimes) retention() tollgate.Retention {
	forever := func(d time.Duration) time.Duration { return cmp.Or(d, -1) }
	return tollgate.Retention{Sessions: forever(k.sessions), Keys: forever(k.keys), Events: forever(k.events)}
}

const day = 24 * time.Hour

// githubKeys is where GitHub publishes what it signs leak reports with.
const githubKeys = "https://api.github.com/meta/public_keys/secret_scanning"

const usage = `usage: server [serve] [flags]
       server keys|accounts|users …        commands of the gate: server keys help
       server requests list|approve ID|reject ID [flags]
       server migrate [--to VERSION] [--print] [flags]
       server backup FILE [flags]
       server version

Spans of time are written 30d, 12h or 1d12h. Every flag can be set in the environment:
--pepper-file is TOLLGATE_PEPPER_FILE. "server keys create --help" lists the flags of a
command.

`

// newFlags returns a set with the flags that every command has.
func newFlags(name string, c *config, stderr io.Writer) *flag.FlagSet {
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Usage = func() {
		fmt.Fprint(stderr, usage)
		f.PrintDefaults()
	}
	f.StringVar(&c.database, "database", "sqlite:tollgate.db", "`sqlite:FILE`, postgres://USER:PASSWORD@HOST/DATABASE (others see no password in TOLLGATE_DATABASE), or memory, which ends with the process")
	f.StringVar(&c.redis, "redis", "", "keep sessions and count requests in Redis or Valkey: `URL`, as in redis://HOST, redis+sentinel://HOST,…/MASTER or redis+cluster://HOST,…; rediss with TLS")
	f.IntVar(&c.redisReplicas, "redis-replicas", 0, "acknowledge the end of a session when `N` replicas have it, so that no failover undoes it")
	f.StringVar(&c.mail, "mail", "", "send mail by `URL`: smtp://USER:PASSWORD@HOST:587 or smtps://…:465; or, for development, to log or folder:DIR. Default: no mail, so that only the operator invites people")
	f.StringVar(&c.mailFrom, "mail-from", "", "`ADDRESS` that mail comes from; required for smtp")
	f.StringVar(&c.acceptURL, "accept-url", "", "`URL` of the page on which people use the token of a mail; default: the mail says which request takes it")
	f.StringVar(&c.pepperFile, "pepper-file", "tollgate.pepper", "`FILE` with the secret that keys are digested under; made at first start. Back it up apart from the database")
	return f
}

func (c *config) serveFlags(f *flag.FlagSet) {
	f.StringVar(&c.listen, "listen", "localhost:8080", "`ADDRESS` to serve on")
	f.StringVar(&c.listenDatabase, "listen-database", "", "hear of changes at this `URL`: straight to Postgres, where --database leads to a pooler")
	spanVar(f, &c.outageLease, "outage-lease", 0, "let known credentials in for this long while the store cannot be reached; part of the bound on revocation")
	spanVar(f, &c.drain, "drain", 0, "at SIGTERM, answer 503 on /ready and /health for this long before requests are refused, so that a load balancer can look away first")
	spanVar(f, &c.keep.sessions, "keep-sessions", 30*day, "delete sessions this long after their end; 0: never")
	spanVar(f, &c.keep.keys, "keep-keys", 400*day, "delete the records of keys this long after they have expired or were revoked; 0: never")
	spanVar(f, &c.keep.events, "keep-events", 400*day, "delete events of the audit log after this long; 0: never")
	f.BoolVar(&c.demo, "demo", true, "on an empty database, make a demo account and print its keys")
	f.StringVar(&c.demoFile, "demo-file", "", "write the demo credentials to `FILE` as JSON, mode 0600, when they are made")
	f.StringVar(&c.trusted, "trusted-proxies", "", "comma-separated `PREFIXES` of proxies whose X-Forwarded-For is believed")
	f.StringVar(&c.origins, "allow-origin", "", "comma-separated `ORIGINS` of browser applications that may use cookies here, as in https://app.example.com")
	f.BoolVar(&c.localLimits, "local-limits", false, "count requests in this process, although --redis could count for all")
	f.StringVar(&c.leakKeys, "secret-scanning-keys", "", "`URL` of the public keys that leak reports are signed with, fetched at start; default: GitHub's, fetched when the first report comes")
	f.TextVar(&c.logLevel, "log-level", slog.LevelInfo, "write lines of this `LEVEL` and above: debug, info, warn or error. Refusals beyond ten a second are debug")
	f.BoolVar(&c.privateHooks, "dangerously-allow-private-webhooks", false, "also deliver webhooks over http and to private addresses, for tests")
}

// parse reads the environment, then the arguments, and returns what is left.
// Flags may stand before and after other arguments.
func parse(f *flag.FlagSet, args []string) ([]string, error) {
	var bad error
	f.VisitAll(func(fl *flag.Flag) {
		name := "TOLLGATE_" + strings.ToUpper(strings.ReplaceAll(fl.Name, "-", "_"))
		if v, ok := os.LookupEnv(name); ok {
			if err := f.Set(fl.Name, v); err != nil {
				bad = errors.Join(bad, fmt.Errorf("%s: %w", name, err))
			}
		}
	})
	if bad != nil {
		return nil, bad
	}
	var rest []string
	for {
		if err := f.Parse(args); err != nil {
			return nil, err
		}
		args = f.Args()
		if len(args) == 0 {
			return rest, nil
		}
		rest, args = append(rest, args[0]), args[1:]
	}
}

// itemsOf reads "a, b".
func itemsOf(text string) (items []string) {
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

var errSpan = errors.New("want a span of time such as 30d, 12h, 1d12h or 90s")

// span reads a span of time: what time.ParseDuration reads, after a number of
// days of 24 hours if there is one, as in 30d or 1d12h.
func span(text string) (time.Duration, error) {
	days, rest, found := strings.Cut(text, "d")
	if !found {
		days, rest = "0", text
	}
	n, err := strconv.ParseUint(days, 10, 16) // 65,535 days are 179 years, and a Duration holds 292
	if err != nil || strings.HasPrefix(days, "+") {
		return 0, errSpan
	}
	d := time.Duration(n) * 24 * time.Hour
	if rest == "" && found {
		return d, nil
	}
	more, err := time.ParseDuration(rest)
	if err != nil || found && (more < 0 || d+more < d) {
		return 0, errSpan
	}
	return d + more, nil
}

// spanVar declares a flag that is a span of time.
func spanVar(f *flag.FlagSet, d *time.Duration, name string, value time.Duration, usage string) {
	*d = value
	f.Var((*spanFlag)(d), name, usage)
}

type spanFlag time.Duration

func (s *spanFlag) String() string { return time.Duration(*s).String() }

func (s *spanFlag) Set(text string) error {
	d, err := span(text)
	if err == nil {
		*s = spanFlag(d)
	}
	return err
}

package portal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
	"unicode"

	"medtwin.ai/tollgate/problem"
)

// A Mail is one message to one person, in plain text.
type Mail struct{ To, Subject, Text string }

// A Mailer sends mail. Send returns once the mail is sent, or an error if it was not; then
// the portal tries again a few times. Implementations are safe for concurrent use.
type Mailer interface {
	Send(ctx context.Context, m Mail) error
}

const (
	maxWaiting   = 1000 // mails
	mailWorkers  = 4    // so that one slow mail does not hold up all others
	mailAttempts = 4
	mailTimeout  = 30 * time.Second // of one attempt
	firstRetry   = 2 * time.Second  // and five times as long after each further attempt
	lastMails    = 3 * time.Second  // for the mails that wait when the program ends
)

// post is the mail that waits to be sent. It is written after the answer, so that no
// answer takes longer because of who gets a mail.
type post struct {
	waiting chan func(context.Context) (Mail, error) // a Mail without To is none
}

// add has a mail written and sent. It never blocks, and reports false if too many wait.
func (q post) add(write func(context.Context) (Mail, error)) bool {
	select {
	case q.waiting <- write:
		return true
	default:
		return false
	}
}

// send sends a mail, if the portal sends any. It never blocks, and reports false if too
// many wait.
func (p *portal) send(m Mail) bool {
	if p.Mail == nil {
		return false
	}
	if !p.post.add(func(context.Context) (Mail, error) { return m, nil }) {
		p.of.Logger.Error("mail not sent: too many wait", slog.String("subject", m.Subject))
		return false
	}
	return true
}

// deliver sends what waits, until ctx ends and the last mails are sent or given up.
func (p *portal) deliver(ctx context.Context) error {
	var all sync.WaitGroup
	for range mailWorkers {
		all.Go(func() {
			for {
				select {
				case write := <-p.post.waiting:
					p.deliverOne(ctx, write)
				case <-ctx.Done():
					return
				}
			}
		})
	}
	all.Wait()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastMails)
	defer cancel()
	for {
		select {
		case write := <-p.post.waiting:
			p.deliverOne(last, write)
		default:
			return ctx.Err()
		}
	}
}

// deliverOne writes and sends one mail, and tries again if that fails. The log has no
// text of the mail: it may hold a token.
func (p *portal) deliverOne(ctx context.Context, write func(context.Context) (Mail, error)) {
	var m Mail
	var err error
	wait := firstRetry
	for attempt := range mailAttempts {
		if attempt > 0 {
			select {
			case <-time.After(wait):
				wait *= 5
			case <-ctx.Done():
			}
		}
		if err != nil && ctx.Err() != nil {
			break
		}
		if m, err = p.attempt(ctx, m, write); err == nil {
			return
		}
	}
	p.of.Logger.LogAttrs(ctx, slog.LevelError, "mail not sent: it has to be asked for again", slog.String("subject", m.Subject), slog.Any("err", err))
}

// attempt writes a mail, unless it is written, and sends it.
func (p *portal) attempt(ctx context.Context, m Mail, write func(context.Context) (Mail, error)) (Mail, error) {
	ctx, cancel := context.WithTimeout(ctx, mailTimeout)
	defer cancel()
	if m.To == "" {
		written, err := write(ctx)
		if err != nil || written.To == "" {
			return m, err
		}
		m = written
		m.To, m.Subject = oneLine(m.To), oneLine(m.Subject)
	}
	return m, p.Mail.Send(ctx, m)
}

// oneLine returns text without what could end a header.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, text)
}

// howToUse says in a mail how its token is used.
func (p *portal) howToUse(token string) string {
	if p.AcceptURL != "" {
		return "Open this page:\n\n" + p.AcceptURL + "#token=" + token + "\n"
	}
	return fmt.Sprintf("Your token:\n\n%s\n\nSend it with\n\nPOST %s/auth/accept\n{\"token\": \"…\", \"password\": \"the password that you choose\"}\n", token, p.Prefix)
}

// checkMail returns what is wrong with the configuration of mail.
func (p *portal) checkMail() error {
	if p.AcceptURL == "" {
		return nil
	}
	u, err := url.Parse(p.AcceptURL)
	switch {
	case err != nil, u.Scheme != "https" && u.Scheme != "http", u.Host == "", strings.Contains(p.AcceptURL, "#"):
		return fmt.Errorf(`portal: Config.AcceptURL is %q: want the address of a page without a fragment, as in "https://app.example.com/accept"`, p.AcceptURL)
	case p.Mail == nil:
		return errors.New("portal: Config.AcceptURL without Config.Mail: no mail would ever have it")
	}
	return nil
}

// noMail is the answer to a request that needs mail, if none is sent.
func noMail(what string) error {
	return &problem.Problem{
		Status: http.StatusNotImplemented, Code: "no_mail", Detail: "This service sends no mail: ask its operator to " + what + ".",
	}
}

var errPost = &problem.Problem{Status: http.StatusServiceUnavailable, Code: "mail_busy", Detail: "Too many mails wait to be sent: try again.", Retry: time.Minute}

package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"strings"

	"github.com/wneessen/go-mail"

	"medtwin.ai/tollgate/portal"
)

// mailer returns what sends the portal's mail, nil for no mail.
func (c config) mailer(log *slog.Logger) (portal.Mailer, error) {
	switch kind, dir, _ := strings.Cut(c.mail, ":"); {
	case c.mail == "":
		return nil, nil
	case c.mail == "log":
		return portal.MailToLog(log), nil
	case kind == "folder" && dir != "":
		return portal.MailToFolder(dir), nil
	}
	u, err := url.Parse(c.mail)
	if err != nil || u.Scheme != "smtp" && u.Scheme != "smtps" || u.Hostname() == "" { // it may hold a password: not repeated
		return nil, errors.New("--mail: want smtp://USER:PASSWORD@HOST:587, smtps://USER:PASSWORD@HOST:465, log or folder:DIR")
	}
	if c.mailFrom == "" {
		return nil, errors.New("--mail-from: say which address mail comes from")
	}
	options := []mail.Option{mail.WithTLSPolicy(mail.TLSMandatory)} // STARTTLS, or no mail: it holds tokens
	if u.Scheme == "smtps" {
		options = []mail.Option{mail.WithSSL()}
	}
	if port := u.Port(); port != "" {
		n, err := strconv.Atoi(port)
		if err != nil {
			return nil, fmt.Errorf("--mail: the port %q is no number", port)
		}
		options = append(options, mail.WithPort(n))
	}
	if u.User != nil {
		password, _ := u.User.Password()
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(u.User.Username()), mail.WithPassword(password))
	}
	client, err := mail.NewClient(u.Hostname(), options...)
	if err != nil {
		return nil, fmt.Errorf("--mail: %w", err)
	}
	return smtpMailer{client, c.mailFrom}, nil
}

// smtpMailer sends mail through a server that takes it.
type smtpMailer struct {
	client *mail.Client
	from   string
}

func (s smtpMailer) Send(ctx context.Context, m portal.Mail) error {
	message := mail.NewMsg()
	if err := errors.Join(message.From(s.from), message.To(m.To)); err != nil {
		return err
	}
	message.Subject(m.Subject)
	message.SetBodyString(mail.TypeTextPlain, m.Text)
	return s.client.DialAndSendWithContext(ctx, message)
}

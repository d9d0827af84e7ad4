package portal

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"time"

	"medtwin.ai/tollgate/keyfmt"
)

// MailToLog returns a [Mailer] for development that writes every mail into a log, with the
// token that it may hold: a reader of that log can accept invitations and reset
// passwords. Nil is slog.Default().
func MailToLog(l *slog.Logger) Mailer { return logMailer{l} }

type logMailer struct{ log *slog.Logger }

func (m logMailer) Send(ctx context.Context, mail Mail) error {
	l := m.log
	if l == nil {
		l = slog.Default()
	}
	l.InfoContext(ctx, "mail", slog.String("to", mail.To), slog.String("subject", mail.Subject), slog.String("text", mail.Text))
	return nil
}

// MailToFolder returns a [Mailer] for development and tests that writes every mail into a
// file of its own in a folder, which it makes at the first mail. Names of files sort by
// time. Only the user who runs the program can read them.
func MailToFolder(dir string) Mailer { return folderMailer(dir) }

type folderMailer string

func (dir folderMailer) Send(_ context.Context, m Mail) error {
	if err := os.MkdirAll(string(dir), 0o700); err != nil {
		return fmt.Errorf("portal: mail: %w", err)
	}
	// Written under another name first, so that a reader of the folder sees whole mails.
	path := filepath.Join(string(dir), keyfmt.NewID("mail_", time.Now()))
	text := fmt.Sprintf("To: %s\nSubject: %s\n\n%s", m.To, m.Subject, m.Text)
	if err := os.WriteFile(path+".tmp", []byte(text), 0o600); err != nil {
		return fmt.Errorf("portal: mail: %w", err)
	}
	if err := os.Rename(path+".tmp", path+".txt"); err != nil {
		return fmt.Errorf("portal: mail: %w", err)
	}
	return nil
}

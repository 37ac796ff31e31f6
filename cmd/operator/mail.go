package main

import (
	"errors"
	"flag"
	"fmt"
	"time"

	"github.com/go-logr/logr"

	"github.com/enrol-dev/enrol/controllers"
	"github.com/enrol-dev/enrol/internal/mail"
)

// mailFlags are what the flags say about mail.
type mailFlags struct {
	transport, from, folder string
	smtp                    mail.SMTPOptions
	encryption              string
}

func (m *mailFlags) add(flags *flag.FlagSet) {
	flags.StringVar(&m.transport, "mail-transport", "",
		"how to send mail: smtp; file or log for trying things out, where nobody gets a mail; empty: not at all")
	flags.StringVar(&m.from, "mail-from", "",
		"whom mails are from, as in 'Enrol <enrol@example.com>'; needed with --mail-transport")
	flags.StringVar(&m.folder, "mail-folder", "", "folder for the mails of --mail-transport=file")
	flags.StringVar(&m.smtp.Address, "smtp-address", "",
		"host:port of the mail server; its certificate must be for that host")
	flags.StringVar(&m.encryption, "smtp-encryption", string(mail.StartTLS),
		"starttls (port 587, mostly) or implicit (465); nothing is sent in clear")
	flags.StringVar(&m.smtp.Credentials, "smtp-credentials", "",
		"folder with the files username and password, read again for each connection; empty: no authentication")
	flags.StringVar(&m.smtp.Auth, "smtp-auth", "",
		"mechanism to authenticate by: PLAIN, LOGIN, SCRAM-SHA-256 ...; empty: the best that the mail server offers")
	flags.StringVar(&m.smtp.CAFile, "smtp-ca-file", "",
		"certificates to trust in the place of the system's, in PEM")
	const connections, timeout = 8, 30 * time.Second
	flags.IntVar(&m.smtp.Connections, "smtp-connections", connections, "connections to the mail server, at most")
	flags.DurationVar(&m.smtp.SendTimeout, "smtp-timeout", timeout, "how long one mail may take")
}

// mail is what the controllers need of it.
func (m *mailFlags) mail(logger logr.Logger) (controllers.Mail, error) {
	if m.transport == "" {
		return controllers.Mail{}, nil
	}
	if m.from == "" {
		return controllers.Mail{}, errors.New("--mail-from must say whom mails are from")
	}
	if m.smtp.Connections < 1 || m.smtp.Connections > 100 {
		return controllers.Mail{}, fmt.Errorf("--smtp-connections must be from 1 to 100, not %d", m.smtp.Connections)
	}
	from, err := mail.ParseAddress(m.from)
	if err != nil {
		return controllers.Mail{}, fmt.Errorf("--mail-from: %w", err)
	}
	result := controllers.Mail{From: from, Parallel: m.smtp.Connections}
	switch m.transport {
	case "smtp":
		m.smtp.Encryption = mail.Encryption(m.encryption)
		result.Transport, err = mail.NewSMTP(m.smtp)
	case "file":
		if m.folder == "" {
			return controllers.Mail{}, errors.New("--mail-folder must say where --mail-transport=file puts mails")
		}
		result.Transport, err = mail.NewFolder(m.folder)
	case "log":
		result.Transport = mail.NewLog(logger.WithName("mail"))
	default:
		err = fmt.Errorf("--mail-transport must be smtp, file, log or empty, not %q", m.transport)
	}
	return result, err
}

package mail

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/go-logr/logr"
)

// Folder puts each mail into a file of its own, for trying things out.
type Folder struct{ path string }

// NewFolder makes the folder, should it be missing.
func NewFolder(path string) (*Folder, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder for mails: %w", err)
	}
	return &Folder{path: path}, nil
}

// Send writes the mail as an .eml file, whole or not at all.
func (f *Folder) Send(_ context.Context, m *Message) error {
	message, err := m.message()
	if err != nil {
		return err
	}
	var content bytes.Buffer
	if _, err := message.WriteTo(&content); err != nil {
		return &Error{Deferred, err}
	}
	return WriteFile(f.path, content.Bytes())
}

// WriteFile writes a mail as an .eml file of its own, whole or not at all. Names are in the order of writing.
func WriteFile(folder string, content []byte) error {
	draft, err := os.CreateTemp(folder, ".draft-")
	if err != nil {
		return &Error{Unusable, fmt.Errorf("writing a mail: %w", err)}
	}
	defer func() { _ = os.Remove(draft.Name()) }()
	if _, err := draft.Write(content); err != nil {
		return &Error{Deferred, errors.Join(err, draft.Close())}
	}
	if err := draft.Close(); err != nil {
		return &Error{Deferred, err}
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return &Error{Unusable, err}
	}
	// Somebody else may take a number in between; a link is made only where there is nothing.
	for number := len(entries); ; number++ {
		err := os.Link(draft.Name(), filepath.Join(folder, fmt.Sprintf("%06d.eml", number)))
		if err == nil {
			return nil
		}
		if !errors.Is(err, os.ErrExist) {
			return &Error{Deferred, err}
		}
	}
}

// Log notes each mail in a log and sends nothing, for trying things out. It does not show what the mail says: there is a
// secret in it.
type Log struct{ logger logr.Logger }

// NewLog logs to a logger.
func NewLog(logger logr.Logger) *Log { return &Log{logger: logger} }

// Send logs to whom the mail would go.
func (l *Log) Send(_ context.Context, m *Message) error {
	if _, err := m.message(); err != nil {
		return err
	}
	l.logger.Info("Mail", "to", m.To, "subject", m.Subject, "messageID", m.MessageID)
	return nil
}

package mail

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html"
	htmltemplate "html/template"
	"io"
	"slices"
	"strings"
	texttemplate "text/template"
	"time"
)

// Invitation is what templates see.
type Invitation struct {
	// Organisation is its name for people.
	Organisation string
	// Inviter is the address or username of who invites.
	Inviter string
	// Email is the address that is invited.
	Email string
	// Roles are what the roles are called.
	Roles []string
	// Projects are namespaces, or "*" alone for all of them.
	Projects []string
	// Transfer is true when ownership is handed over.
	Transfer bool
	// Message of the inviter, "" for none.
	Message string
	// Link is where to answer. It holds the token: whoever has it can, with the address, accept.
	Link string
	// SignInLink is for those who have an account, "" for none.
	SignInLink string
	// Expire is when the invitation can be answered no longer.
	Expire time.Time
}

// Until is Expire in words.
func (i Invitation) Until() string { return i.Expire.UTC().Format("Monday, 2 January 2006, 15:04 UTC") }

// AllProjects tells whether the projects are all that the organisation has.
func (i Invitation) AllProjects() bool { return len(i.Projects) == 1 && i.Projects[0] == "*" }

// RoleList is the roles in one line.
func (i Invitation) RoleList() string { return strings.Join(i.Roles, ", ") }

// ProjectList is the projects in one line.
func (i Invitation) ProjectList() string { return strings.Join(i.Projects, ", ") }

// Names of templates, as keys of a ConfigMap.
const (
	subjectTemplate = "subject.txt"
	textTemplate    = "body.txt"
	htmlTemplate    = "body.html"
)

const (
	// maxTemplate and maxRendered bound templates and what comes of them, in bytes.
	maxTemplate = 64 << 10
	maxRendered = 256 << 10
	// maxSubject is how long a subject may be, in characters; the rest of a long name is cut off.
	maxSubject = 200
)

//go:embed templates
var builtIn embed.FS

// Templates make a Content of an Invitation.
type Templates struct {
	subject, text *texttemplate.Template
	html          *htmltemplate.Template
}

// DefaultTemplates are the built-in ones.
func DefaultTemplates() *Templates {
	t, err := ParseTemplates(nil)
	if err != nil {
		panic(err) // They are part of the program, and tested.
	}
	return t
}

// ParseTemplates reads templates of one's own, by their names; one that is left out is the built-in one. They are tried
// on all sorts of invitations, so that a fault is found now and not by somebody who waits for a mail. An error names the
// file and the line.
func ParseTemplates(files map[string]string) (*Templates, error) {
	for name, content := range files {
		if !slices.Contains([]string{subjectTemplate, textTemplate, htmlTemplate}, name) {
			return nil, fmt.Errorf("%q: must be %s, %s or %s", name, subjectTemplate, textTemplate, htmlTemplate)
		}
		if len(content) > maxTemplate {
			return nil, fmt.Errorf("%s: must have at most %d bytes", name, maxTemplate)
		}
	}
	source := func(name string) string {
		if content, ok := files[name]; ok {
			return content
		}
		content, _ := builtIn.ReadFile("templates/" + name)
		return string(content)
	}
	t := &Templates{}
	var err error
	if t.subject, err = texttemplate.New(subjectTemplate).Option("missingkey=error").Parse(source(subjectTemplate)); err != nil {
		return nil, err
	}
	if t.text, err = texttemplate.New(textTemplate).Option("missingkey=error").Parse(source(textTemplate)); err != nil {
		return nil, err
	}
	if t.html, err = htmltemplate.New(htmlTemplate).Option("missingkey=error").Parse(source(htmlTemplate)); err != nil {
		return nil, err
	}
	for _, sample := range samples() {
		if err := t.try(sample); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// try renders a sample and looks at what came of it.
func (t *Templates) try(sample Invitation) error {
	content, err := t.Render(sample)
	if err != nil {
		return err
	}
	if !strings.Contains(content.Text, sample.Link) {
		return fmt.Errorf("%s: must show {{.Link}}", textTemplate)
	}
	// The escaping of a link depends on where it stands; what a reader's program makes of it does not.
	if !strings.Contains(html.UnescapeString(content.HTML), sample.Link) {
		return fmt.Errorf("%s: must show {{.Link}}", htmlTemplate)
	}
	return nil
}

// Render makes the content of a mail.
func (t *Templates) Render(i Invitation) (Content, error) {
	i = i.plain()
	var subject, text, rich bounded
	if err := t.subject.Execute(&subject, i); err != nil {
		return Content{}, err
	}
	if err := t.text.Execute(&text, i); err != nil {
		return Content{}, err
	}
	if err := t.html.Execute(&rich, i); err != nil {
		return Content{}, err
	}
	// Plain ASCII is not encoded, and what looks like an encoded word in it would be decoded by the reader's program.
	line := strings.ReplaceAll(plain(strings.TrimSpace(subject.String())), "=?", "= ?")
	if line == "" {
		return Content{}, fmt.Errorf("%s: must not be empty", subjectTemplate)
	}
	if runes := []rune(line); len(runes) > maxSubject {
		line = string(runes[:maxSubject]) + "…"
	}
	return Content{Subject: line, Text: text.String(), HTML: rich.String()}, nil
}

// plain is the invitation with each text in one line.
func (i Invitation) plain() Invitation {
	for _, text := range []*string{&i.Organisation, &i.Inviter, &i.Email, &i.Message, &i.Link, &i.SignInLink} {
		*text = plain(*text)
	}
	for _, texts := range []*[]string{&i.Roles, &i.Projects} {
		*texts = slices.Clone(*texts)
		for k := range *texts {
			(*texts)[k] = plain((*texts)[k])
		}
	}
	return i
}

// bounded is a buffer that takes no more than a mail may have: a template can nest ranges.
type bounded struct{ bytes.Buffer }

var errTooLong = errors.New("the mail would be too long")

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxRendered {
		return 0, errTooLong
	}
	return b.Buffer.Write(p)
}

var _ io.Writer = (*bounded)(nil)

// samples are invitations with and without each of the optional parts.
func samples() []Invitation {
	var all []Invitation
	for with := range 1 << 4 {
		sample := Invitation{
			Organisation: `"Acme" <& Sons>`, Inviter: "ada@example.com", Email: "jane@example.com",
			Roles: []string{"developer"}, Expire: time.Date(2026, 3, 8, 12, 0, 0, 0, time.UTC),
			Link:     "https://enrol.example.com/invitations?invitation=0d2f&token=AbC-_",
			Transfer: with&1 != 0,
		}
		if with&2 != 0 {
			sample.Message = "Welcome <b>aboard</b> {{.}}"
		}
		if with&4 != 0 {
			sample.SignInLink = "https://enrol.example.com/sign-in"
		}
		if with&8 != 0 {
			sample.Projects, sample.Roles = []string{"web", "data"}, []string{"owner", "viewer"}
		}
		all = append(all, sample)
	}
	return all
}

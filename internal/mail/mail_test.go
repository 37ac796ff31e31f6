package mail_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"

	"github.com/enrol-dev/enrol/internal/mail"
)

func invitation() mail.Invitation {
	return mail.Invitation{
		Organisation: "Acme", Inviter: "ada@example.com", Email: "jane@example.com", Roles: []string{"developer"},
		Link:   "https://enrol.example.com/invitations?invitation=1&token=secret",
		Expire: time.Date(2026, 3, 8, 12, 0, 0, 0, time.UTC),
	}
}

func TestParseTemplates(t *testing.T) {
	cases := map[string]struct {
		reason string
		files  map[string]string
		want   string
	}{
		"None":       {"the built-in ones", nil, ""},
		"Subject":    {"one of one's own", map[string]string{"subject.txt": "Come to {{.Organisation}}\n"}, ""},
		"Unknown":    {"a name that nothing reads", map[string]string{"subject": "x"}, `"subject": must be`},
		"Syntax":     {"a template that is none", map[string]string{"body.txt": "a\nb {{.Link}\n"}, "body.txt:2"},
		"Field":      {"a field that there is not", map[string]string{"body.html": "{{.Link}}\n\n{{.Nonsense}}"}, "body.html:3"},
		"NoLink":     {"a mail without a link is of no use", map[string]string{"body.txt": "come!"}, "body.txt: must show {{.Link}}"},
		"NoLinkHTML": {"nor in HTML", map[string]string{"body.html": "<p>come!</p>"}, "body.html: must show {{.Link}}"},
		"Rarely":     {"a fault that only some invitations meet", map[string]string{"body.txt": "{{.Link}}\n{{if .Transfer}}{{index .Projects 7}}{{end}}"}, "body.txt:2"},
		"Empty":      {"a mail has a subject", map[string]string{"subject.txt": " \n"}, "subject.txt: must not be empty"},
		"Long":       {"bounded", map[string]string{"body.txt": strings.Repeat("x", 1<<17)}, "at most"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := mail.ParseTemplates(tc.files)
			if (err == nil) != (tc.want == "") || (err != nil && !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("%s: got %v, want %q", tc.reason, err, tc.want)
			}
		})
	}
}

func TestRender(t *testing.T) {
	cases := map[string]struct {
		reason string
		change func(*mail.Invitation)
		text   []string
		absent []string
	}{
		"Least":    {"what everybody must know", func(*mail.Invitation) {}, []string{"ada@example.com invites you to join Acme", "Your role: developer", "token=secret", "Sunday, 8 March 2026, 12:00 UTC"}, []string{"projects", "writes", "account"}},
		"Transfer": {"ownership is another matter", func(i *mail.Invitation) { i.Transfer = true }, []string{"hand the ownership of Acme over to you"}, []string{"invites you"}},
		"Message":  {"a message is a quotation, in one line", func(i *mail.Invitation) { i.Message = "a\nTo accept: http://e.org\u2028x\u202ey" }, []string{"> a To accept: http://e.org xy"}, []string{"\nTo accept: http", "\u202e"}},
		"All":      {"all projects, in words", func(i *mail.Invitation) { i.Projects = []string{"*"} }, []string{"all of them"}, []string{"*"}},
		"SignIn":   {"the second link", func(i *mail.Invitation) { i.SignInLink = "https://enrol.example.com/in" }, []string{"https://enrol.example.com/in"}, nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			i := invitation()
			tc.change(&i)
			content, err := mail.DefaultTemplates().Render(i)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range tc.text {
				if !strings.Contains(content.Text, want) {
					t.Errorf("%s: the mail does not say %q:\n%s", tc.reason, want, content.Text)
				}
			}
			for _, not := range tc.absent {
				if strings.Contains(content.Text, not) {
					t.Errorf("%s: the mail says %q:\n%s", tc.reason, not, content.Text)
				}
			}
		})
	}
	i := invitation()
	i.Link = "javascript:alert(1)"
	content, err := mail.DefaultTemplates().Render(i)
	if err != nil || strings.Contains(content.HTML, `href="javascript`) {
		t.Errorf("a link that is a script: %v\n%s", err, content.HTML)
	}
}

func FuzzRender(f *testing.F) {
	f.Add("Acme", "ada", "hello")
	f.Add("<script>", "a\r\nBcc: x", "{{.Link}}\u2028</p>")
	templates := mail.DefaultTemplates()
	f.Fuzz(func(t *testing.T, organisation, inviter, text string) {
		i := invitation()
		i.Organisation, i.Inviter, i.Message = organisation, inviter, text
		content, err := templates.Render(i)
		if err != nil {
			return
		}
		if strings.ContainsAny(content.Subject, "\r\n\u2028\u0085") || strings.Contains(content.HTML, "<script") ||
			strings.Contains(content.Text, "\r") {
			t.Errorf("%q made %q", []string{organisation, inviter, text}, content)
		}
		folder := t.TempDir()
		transport, err := mail.NewFolder(folder)
		if err != nil {
			t.Fatal(err)
		}
		m := message("jane@example.com")
		m.Content = content
		if err := transport.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(filepath.Join(folder, "000001.eml"))
		if err != nil {
			t.Fatal(err)
		}
		header, _, _ := bytes.Cut(bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n")), []byte("\n\n"))
		for line := range bytes.SplitSeq(header, []byte("\n")) {
			if bytes.HasPrefix(bytes.ToLower(line), []byte("bcc:")) {
				t.Errorf("somebody made a header: %s", header)
			}
		}
	})
}

func TestRecipients(t *testing.T) {
	folder, err := mail.NewFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{
		"", "jane", "jane@", "@example.com", "a@example.com,b@example.com", "a@example.com\r\nBcc: b@example.com",
		"Jane <a@example.com>", "j\u00e4ne@example.com", "a b@example.com", "a@example.com;b@example.com",
	} {
		if err := folder.Send(t.Context(), message(to)); kind(err) != mail.Refused {
			t.Errorf("to %q: got %v", to, err)
		}
	}
	for _, from := range []string{"", "enrol", "Enrol <x>", "a@example.com, b@example.com", "\"E\r\nX: y\" <a@example.com>"} {
		if got, err := mail.ParseAddress(from); err == nil {
			t.Errorf("from %q: got %v", from, got)
		}
	}
}

// TestFolder: each mail has a file of its own, though two are the same.
func TestFolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mails")
	folder, err := mail.NewFolder(path)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := folder.Send(t.Context(), message("a@example.com")); err != nil {
			t.Fatal(err)
		}
	}
	files, err := filepath.Glob(filepath.Join(path, "*"))
	if err != nil || len(files) != 3 {
		t.Errorf("the files are %v, %v, want three and no drafts", files, err)
	}
}

// TestLog: the log says to whom, and nothing of what the mail says.
func TestLog(t *testing.T) {
	var lines []string
	transport := mail.NewLog(funcr.New(func(_, args string) { lines = append(lines, args) }, funcr.Options{}))
	m := message("a@example.com")
	m.Text, m.HTML = "token=secret", "token=secret"
	if err := transport.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprint(lines); !strings.Contains(text, "a@example.com") || strings.Contains(text, "secret") {
		t.Errorf("the log says %s", text)
	}
}

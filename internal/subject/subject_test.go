package subject_test

import (
	"regexp"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"pgregory.net/rapid"

	"github.com/enrol-dev/enrol/internal/subject"
)

func TestNaming(t *testing.T) {
	plain := subject.Naming{}
	prefixed := subject.Naming{UsernamePrefix: "oidc:", GroupsPrefix: "idp/"}
	cases := map[string]struct {
		reason string
		naming subject.Naming
		name   string
		want   string // of the user; "" when refused
	}{
		"Address":           {"an address is a username like any other", plain, "jane@example.com", "jane@example.com"},
		"InnerSpace":        {"single inner spaces are fine", plain, "Jane Doe", "Jane Doe"},
		"Prefix":            {"the API server puts the prefix in front", prefixed, "jane", "oidc:jane"},
		"Longest":           {"255 is the most", plain, strings.Repeat("a", 255), strings.Repeat("a", 255)},
		"TooLong":           {"256 is too much", plain, strings.Repeat("a", 256), ""},
		"Empty":             {"nobody", plain, "", ""},
		"Blank":             {"a blank is accepted by RBAC, and means nobody known", plain, " ", ""},
		"Star":              {"means everybody elsewhere", plain, "*", ""},
		"Masters":           {"Kubernetes' own", plain, "system:masters", ""},
		"MastersUpper":      {"in any case", plain, "SyStEm:masters", ""},
		"LeadingBlank":      {"looks like Kubernetes' own", plain, " system:masters", ""},
		"TrailingNewline":   {"a pattern's $ must not let it pass", plain, "jane\n", ""},
		"DoubleSpace":       {"looks like one", plain, "Jane  Doe", ""},
		"FullWidthColon":    {"looks like a colon", plain, "system：masters", ""},
		"ZeroWidth":         {"looks like nothing", plain, "jane\u200b", ""},
		"Bidirectional":     {"turns the rest around", plain, "jane\u202e", ""},
		"Cyrillic":          {"looks like Latin", plain, "jаne", ""},
		"PrefixMakesSystem": {"the whole name counts", subject.Naming{UsernamePrefix: "system"}, ":masters", ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			user, err := tc.naming.User(tc.name)
			if (err == nil) != (tc.want != "") || (err == nil && user != subject.Subject{Kind: rbacv1.UserKind, Name: tc.want}) {
				t.Errorf("User(%q) = %v, %v, want %q: %s", tc.name, user, err, tc.want, tc.reason)
			}
		})
	}
}

func TestGroupHasItsOwnPrefix(t *testing.T) {
	group, err := subject.Naming{UsernamePrefix: "oidc:", GroupsPrefix: "idp/"}.Group("team")
	if want := (subject.Subject{Kind: rbacv1.GroupKind, Name: "idp/team"}); err != nil || group != want {
		t.Errorf("Group = %v, %v, want %v", group, err, want)
	}
}

// Whatever the name and the prefix: a subject that is let through is printable, and not one of Kubernetes' own.
func TestNothingOfKubernetesOwnPasses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"system:", "SYSTEM:", " ", "*", "ſystem:", "a"}))
		naming := subject.Naming{UsernamePrefix: rapid.SampledFrom([]string{"", "oidc:", "sys"}).Draw(t, "prefix")}
		name := part.Draw(t, "first") + part.Draw(t, "second")
		user, err := naming.User(name)
		if err != nil {
			return
		}
		if strings.HasPrefix(strings.ToLower(user.Name), "system:") || strings.TrimSpace(user.Name) != user.Name ||
			user.Name == "*" || len(name) > subject.MaxLength {
			t.Fatalf("User(%q) = %q", name, user.Name)
		}
		for _, r := range user.Name {
			if r < ' ' || r > '~' {
				t.Fatalf("User(%q) = %q with %U in it", name, user.Name, r)
			}
		}
	})
}

// The patterns of the API group and the check here must not drift apart.
func TestPrintableIsThePatternOfTheAPI(t *testing.T) {
	pattern := regexp.MustCompile(`^[!-~]+( [!-~]+)*$`)
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.OneOf(rapid.String(), rapid.StringMatching(`[ -~\x00\x7f]{0,8}`), rapid.StringMatching(`[a ]{0,8}`)).Draw(t, "name")
		_, err := subject.Naming{}.User("x" + name)
		if matches := pattern.MatchString("x" + name); (err == nil) != matches && len(name) < subject.MaxLength {
			t.Fatalf("User(%q): %v, but the pattern matches: %v", "x"+name, err, matches)
		}
	})
}

func TestFromRBACIsTheReverse(t *testing.T) {
	for _, s := range []subject.Subject{{Kind: rbacv1.UserKind, Name: "jane"}, {Kind: rbacv1.GroupKind, Name: "team"}} {
		if got, ok := subject.FromRBAC(s.RBAC()); !ok || got != s {
			t.Errorf("FromRBAC(%v) = %v, %v", s.RBAC(), got, ok)
		}
	}
	for name, s := range map[string]rbacv1.Subject{
		"ServiceAccount": {Kind: rbacv1.ServiceAccountKind, Name: "default", Namespace: "default"},
		"OtherGroup":     {Kind: rbacv1.UserKind, APIGroup: "example.com", Name: "jane"},
	} {
		if _, ok := subject.FromRBAC(s); ok {
			t.Errorf("%s: a subject that Enrol never writes must not be taken for one of its own", name)
		}
	}
}

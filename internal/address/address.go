// Package address reads email addresses as Enrol compares, stores and answers them: in lower-case ASCII.
package address

import (
	"errors"
	"net/netip"
	"strings"

	"golang.org/x/net/idna"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
)

const (
	maxAddress = 254
	maxLocal   = 64
	maxDomain  = 253
	maxLabel   = 63
)

// Why an address is none.
var (
	errLength = errors.New("must have at most 254 bytes")
	errAt     = errors.New("must have one @")
	errLocal  = errors.New("must have 1 to 64 letters, digits and !#$%&'*+/=?^_`{|}~-. before the @, without quotes")
	errDomain = errors.New("must have a domain with a dot after the @")
)

// domains turns a domain into its A-label form, as registries do, and refuses what looks like another one.
var domains = idna.New(
	idna.MapForLookup(), idna.BidiRule(), idna.ValidateLabels(true), idna.StrictDomainName(true), idna.VerifyDNSLength(true),
)

// Parse reads an address: an unquoted local part in ASCII and a domain with a dot, which may be in Unicode and then takes
// its A-label form. The result is in lower case.
func Parse(text string) (enrolv1alpha1.Email, error) {
	if len(text) > maxAddress {
		return "", errLength
	}
	local, domain, ok := strings.Cut(text, "@")
	if !ok || strings.Contains(domain, "@") {
		return "", errAt
	}
	if !isLocal(local) {
		return "", errLocal
	}
	domain, err := ascii(domain)
	if err != nil {
		return "", err
	}
	email := Lower(local) + "@" + domain
	if len(email) > maxAddress {
		return "", errLength
	}
	return enrolv1alpha1.Email(email), nil
}

// ascii is the A-label form of a domain. What is read twice must be the same as what is read once: a few odd texts have a form
// that is itself none.
func ascii(domain string) (string, error) {
	once, err := domains.ToASCII(domain)
	if err != nil || !isDomain(once) {
		return "", errDomain
	}
	if twice, err := domains.ToASCII(once); err != nil || twice != once {
		return "", errDomain
	}
	return once, nil
}

// Lower lowers ASCII letters only: to Unicode, other letters are the same as some of them.
func Lower(text string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, text)
}

func isLocal(local string) bool {
	if len(local) == 0 || len(local) > maxLocal || local[0] == '.' || local[len(local)-1] == '.' ||
		strings.Contains(local, "..") {
		return false
	}
	for i := range len(local) {
		if !isAtom(local[i]) && local[i] != '.' {
			return false
		}
	}
	return true
}

// isAtom tells whether a byte may stand in an unquoted local part (RFC 5322, atext).
func isAtom(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || isDigit(c) || strings.IndexByte("!#$%&'*+/=?^_`{|}~-", c) >= 0
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isDomain(domain string) bool {
	if len(domain) > maxDomain || !strings.Contains(domain, ".") {
		return false
	}
	// Four numbers are an IP address and no name.
	if _, err := netip.ParseAddr(domain); err == nil {
		return false
	}
	for label := range strings.SplitSeq(domain, ".") {
		if len(label) == 0 || len(label) > maxLabel || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			if c := label[i]; (c < 'a' || c > 'z') && !isDigit(c) && c != '-' {
				return false
			}
		}
	}
	return true
}

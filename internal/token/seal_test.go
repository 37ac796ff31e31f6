package token

import (
	"errors"
	"strings"
	"testing"
)

func TestSeal(t *testing.T) {
	t.Parallel()
	const value = "who is signed in"
	ring := testRing(t, 1)
	sealed, err := ring.Seal("session", []byte(value))
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := ring.Seal("session", []byte(value)); again == sealed {
		t.Error("the same value is sealed to the same text twice")
	}
	flipped := []byte(sealed)
	flipped[len(flipped)/2] ^= 1
	cases := map[string]struct {
		reason          string
		ring            Ring
		purpose, sealed string
		want            error
	}{
		"Opens":        {"as it was sealed", ring, "session", sealed, nil},
		"OtherPurpose": {"what was sealed for another purpose is nothing here", ring, "sign-in", sealed, ErrInvalid},
		"NoPurpose":    {"nor for none", ring, "", sealed, ErrInvalid},
		"OtherKey":     {"another key", testRing(t, 3), "session", sealed, ErrInvalid},
		"Rotated":      {"the key became the previous one", testRing(t, 3, 1), "session", sealed, nil},
		"Gone":         {"the key is no more", testRing(t, 3, 2), "session", sealed, ErrInvalid},
		"NoKeys":       {"no key opens nothing", Ring{}, "session", sealed, ErrInvalid},
		"Altered":      {"one bit", ring, "session", string(flipped), ErrInvalid},
		"Cut":          {"the end is missing", ring, "session", sealed[:len(sealed)-4], ErrInvalid},
		"Short":        {"less than a nonce", ring, "session", "AAAA", ErrInvalid},
		"Empty":        {"nothing", ring, "session", "", ErrInvalid},
		"Padded":       {"one text for one value", ring, "session", sealed + "=", ErrInvalid},
		"Token":        {"a link's token was not sealed", ring, "session", mint(t, ring, testClaims()), ErrInvalid},
		"Newline":      {"base64 that is read leniently", ring, "session", sealed[:8] + "\n" + sealed[8:], ErrInvalid},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := tc.ring.Open(tc.purpose, tc.sealed)
			if !errors.Is(err, tc.want) {
				t.Errorf("%s: got %v, want %v", tc.reason, err, tc.want)
			}
			if err == nil && string(got) != value {
				t.Errorf("%s: got %q", tc.reason, got)
			}
		})
	}
	if strings.Contains(sealed, value) {
		t.Error("the value can be read")
	}
	if _, err := (Ring{previous: NewKey()}).Seal("session", nil); !errors.Is(err, ErrNoKey) {
		t.Errorf("without current key: got %v", err)
	}
	if _, err := ring.Verify(uid, sealed); !errors.Is(err, ErrInvalid) {
		t.Errorf("a sealed value as the token of a link: got %v", err)
	}
}

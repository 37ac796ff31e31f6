package token

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const uid = "0d2f7f9e-1c1b-4c4e-8a53-6d6f0d7f2a11"

func testRing(t testing.TB, fill ...byte) Ring {
	t.Helper()
	keys := [2][]byte{}
	for i, b := range fill {
		keys[i] = bytes.Repeat([]byte{b}, minKey)
	}
	ring, err := newRing(keys[0], keys[1])
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func testClaims() Claims {
	return Claims{
		Invitation: uid, SendNumber: 1, Address: HashAddress("jane@example.com"),
		Expire: time.Date(2026, 3, 8, 12, 0, 0, 0, time.UTC),
	}
}

func mint(t testing.TB, r Ring, c Claims) string {
	t.Helper()
	token, err := r.Mint(c)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ring, err := newRing(rapid.SliceOfN(rapid.Byte(), minKey, maxKey).Draw(t, "key"), nil)
		if err != nil {
			t.Fatal(err)
		}
		want := Claims{
			Invitation: rapid.StringN(1, -1, maxInvitation).Draw(t, "invitation"),
			SendNumber: rapid.Int32Min(1).Draw(t, "number"),
			Expire:     time.Unix(rapid.Int64Range(0, 1<<40).Draw(t, "expire"), 0).UTC(),
			Address:    HashAddress(rapid.String().Draw(t, "address")),
		}
		token, err := ring.Mint(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ring.Verify(want.Invitation, token)
		if err != nil || got != want {
			t.Fatalf("got %+v, %v, want %+v", got, err, want)
		}
	})
}

// TestEveryChangeIsRefused changes each byte of a valid token to each other value, takes bytes away and adds some.
func TestEveryChangeIsRefused(t *testing.T) {
	ring := testRing(t, 1, 2)
	token := mint(t, ring, testClaims())
	refused := func(what, changed string) {
		if _, err := ring.Verify(uid, changed); err != ErrInvalid { //nolint:errorlint // The very same error is the point.
			t.Errorf("%s: got %v, want the one error", what, err)
		}
	}
	for i := range len(token) {
		for b := range 256 {
			if byte(b) == token[i] {
				continue
			}
			refused(fmt.Sprintf("byte %d is %d", i, b), token[:i]+string([]byte{byte(b)})+token[i+1:])
		}
		refused(fmt.Sprintf("without byte %d", i), token[:i]+token[i+1:])
		refused(fmt.Sprintf("cut at %d", i), token[:i])
		for _, more := range []string{"A", "\n", "\r", "=", "\x00"} {
			refused(fmt.Sprintf("%q before byte %d", more, i), token[:i]+more+token[i:])
		}
	}
	for _, more := range []string{"A", "\n", "=", "==", token} {
		refused("with more at the end", token+more)
	}
	refused("empty", "")
	refused("long", strings.Repeat("A", 1<<20))
}

func TestVerify(t *testing.T) {
	ring := testRing(t, 1)
	token := mint(t, ring, testClaims())
	other := testClaims()
	other.SendNumber = 2
	second := mint(t, ring, other)
	cases := map[string]struct {
		reason            string
		ring              Ring
		invitation, token string
		want              error
	}{
		"Valid":             {"as it was made", ring, uid, token, nil},
		"OtherInvitation":   {"a token is for one Invitation", ring, strings.Replace(uid, "0d", "1d", 1), token, ErrInvalid},
		"NoInvitation":      {"for none", ring, "", token, ErrInvalid},
		"LongInvitation":    {"bounded", ring, strings.Repeat("a", maxInvitation+1), token, ErrInvalid},
		"Swapped":           {"the front of one and the MAC of another", ring, uid, second[:59] + token[59:], ErrInvalid},
		"OtherKey":          {"another key", testRing(t, 3), uid, token, ErrInvalid},
		"Rotated":           {"the key became the previous one", testRing(t, 3, 1), uid, token, nil},
		"PreviousOnly":      {"the current key was taken away", Ring{previous: testRing(t, 1).current}, uid, token, nil},
		"PreviousGone":      {"the previous key was taken away", testRing(t, 3), uid, token, ErrInvalid},
		"NoKeys":            {"an empty key must not verify what an empty key signed", Ring{}, uid, token, ErrInvalid},
		"ShiftedInvitation": {"where the Invitation ends is part of the MAC", ring, uid + token[:1], token[1:] + "A", ErrInvalid},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := tc.ring.Verify(tc.invitation, tc.token)
			if !errors.Is(err, tc.want) {
				t.Errorf("%s: got %v, want %v", tc.reason, err, tc.want)
			}
			want := Claims{}
			if tc.want == nil {
				want = testClaims()
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s\nclaims (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestMintRefuses(t *testing.T) {
	cases := map[string]struct {
		reason string
		change func(*Claims)
	}{
		"NoInvitation":   {"a token for everything is none", func(c *Claims) { c.Invitation = "" }},
		"LongInvitation": {"Verify would refuse it", func(c *Claims) { c.Invitation = strings.Repeat("a", maxInvitation+1) }},
		"NotSent":        {"there is no mail 0", func(c *Claims) { c.SendNumber = 0 }},
		"NoExpiry":       {"a zero time is before 1970", func(c *Claims) { c.Expire = time.Time{} }},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			claims := testClaims()
			tc.change(&claims)
			if token, err := testRing(t, 1).Mint(claims); err == nil {
				t.Errorf("%s: got %s", tc.reason, token)
			}
		})
	}
	if _, err := (Ring{previous: NewKey()}).Mint(testClaims()); !errors.Is(err, ErrNoKey) {
		t.Errorf("without current key: got %v", err)
	}
}

func TestHashAddress(t *testing.T) {
	if HashAddress("Jane@Example.COM") != HashAddress("jane@example.com") {
		t.Error("the case of ASCII letters must not matter")
	}
	// KELVIN SIGN folds to k, LATIN SMALL LETTER DOTLESS I upper-cases to I.
	for _, alike := range []string{"\u212aim@example.com", "k\u0131m@example.com"} {
		if HashAddress(alike) == HashAddress("kim@example.com") {
			t.Errorf("%q must be another address", alike)
		}
	}
}

func TestKeys(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "keys")
	now := time.Unix(0, 0)
	keys := OpenKeys(folder, func() time.Time { return now })
	ring := func() (Ring, error) {
		now = now.Add(2 * rereadAfter)
		return keys.Ring()
	}
	if _, err := ring(); !errors.Is(err, ErrNoKey) {
		t.Fatalf("no folder: got %v", err)
	}
	write := func(name string, content []byte) {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	first, second := NewKey(), NewKey()
	write(Current, first)
	made, err := ring()
	if err != nil {
		t.Fatal(err)
	}
	token := mint(t, made, testClaims())

	write(Current, second)
	if same, err := keys.Ring(); err != nil || !bytes.Equal(same.current, first) {
		t.Errorf("files are read once a second, not for every token: %v", err)
	}
	write(Previous, first)
	rotated, err := ring()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rotated.Verify(uid, token); err != nil {
		t.Errorf("old links must hold while the previous key is there: %v", err)
	}
	if err := os.Remove(filepath.Join(folder, Previous)); err != nil {
		t.Fatal(err)
	}
	later, err := ring()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := later.Verify(uid, token); !errors.Is(err, ErrInvalid) {
		t.Errorf("old links must be dead without the previous key: %v", err)
	}
	for _, bad := range [][]byte{first[:minKey-1], bytes.Repeat(first, maxKey)} {
		write(Current, bad)
		if _, err := ring(); err == nil || errors.Is(err, ErrNoKey) || !strings.Contains(err.Error(), folder) {
			t.Errorf("a key of %d bytes: got %v", len(bad), err)
		}
	}
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	if _, err := ring(); !errors.Is(err, ErrNoKey) {
		t.Errorf("the Secret was deleted: got %v", err)
	}
}

func TestNothingPrintsKeys(t *testing.T) {
	key := []byte(strings.Repeat("secret", 10))
	ring, err := newRing(key, nil)
	if err != nil {
		t.Fatal(err)
	}
	keys := &Keys{ring: ring}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		for _, printed := range []string{fmt.Sprintf(verb, ring), fmt.Sprintf(verb, &ring), fmt.Sprintf(verb, keys)} {
			if strings.Contains(printed, "secret") || strings.Contains(printed, "736563") || strings.Contains(printed, "115 101") {
				t.Errorf("%s prints %s", verb, printed)
			}
		}
	}
}

func FuzzVerify(f *testing.F) {
	ring := testRing(f, 1, 2)
	valid := mint(f, ring, testClaims())
	f.Add(uid, valid)
	f.Add("", "")
	f.Add(uid, strings.Repeat("A", len(valid)))
	f.Fuzz(func(t *testing.T, invitation, token string) {
		claims, err := ring.Verify(invitation, token)
		if err == nil && (invitation != uid || token != valid) {
			t.Errorf("nobody made %q for %q, and yet it says %+v", token, invitation, claims)
		}
		if err != nil && err != ErrInvalid { //nolint:errorlint // The very same error is the point.
			t.Errorf("got %v", err)
		}
	})
}

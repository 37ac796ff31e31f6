// Package token makes and verifies the tokens in the links of mails: who has one has read the mail. A token is derived
// from what it stands for and kept nowhere.
package token

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// ErrInvalid is the one error for every token that is not valid, whatever is wrong with it.
var ErrInvalid = errors.New("the token is not valid")

// ErrNoKey says that there is no key, or none yet.
var ErrNoKey = errors.New("there is no key")

// Claims are what a token stands for.
type Claims struct {
	// Invitation is the UID of the Invitation.
	Invitation string
	// SendNumber is which of the mails of the Invitation had the link; those of earlier ones are dead.
	SendNumber int32
	// Expire is when the link dies, in whole seconds.
	Expire time.Time
	// Address is the address that the mail went to.
	Address AddressHash
}

// AddressHash is the SHA-256 of an address in lower case.
type AddressHash [sha256.Size]byte

// HashAddress hashes an address. Only ASCII letters are lowered: to Unicode, other letters are the same as some of them.
func HashAddress(address string) AddressHash {
	lower := []byte(address)
	for i, c := range lower {
		if 'A' <= c && c <= 'Z' {
			lower[i] = c + 'a' - 'A'
		}
	}
	return sha256.Sum256(lower)
}

const (
	// minKey is how long a key must be at least, in bytes.
	minKey = 32
	// maxKey is how long it may be at most.
	maxKey = 1024

	// maxInvitation is how long a UID may be, in bytes.
	maxInvitation = 64
	// purpose keeps these MACs apart from any others that the same key may be used for.
	purpose = "enrol.dev/invitation-link/v1"

	// A token is: send number, expiry in seconds since 1970, hash of the address; then the MAC.
	numberSize = 4
	expireSize = 8
	bodySize   = numberSize + expireSize + sha256.Size
	tokenSize  = bodySize + sha256.Size
)

// encoding refuses what decodes to the same bytes but is not what was encoded.
var encoding = base64.RawURLEncoding.Strict()

// Ring is the key that tokens are made with and the one before it, whose tokens still hold.
type Ring struct {
	current, previous []byte
}

// newRing makes a ring of keys of minKey to maxKey bytes. Either may be empty; with none, it is ErrNoKey.
func newRing(current, previous []byte) (Ring, error) {
	if len(current) == 0 && len(previous) == 0 {
		return Ring{}, ErrNoKey
	}
	for _, key := range [][]byte{current, previous} {
		if len(key) > 0 && (len(key) < minKey || len(key) > maxKey) {
			return Ring{}, fmt.Errorf("a key must have %d to %d bytes, not %d", minKey, maxKey, len(key))
		}
	}
	return Ring{current: current, previous: previous}, nil
}

// NewKey is a key of random bytes.
func NewKey() []byte {
	key := make([]byte, minKey)
	_, _ = rand.Read(key) // It never fails: the program ends if there is no randomness.
	return key
}

// Format prints no key, whatever the verb.
func (Ring) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("token.Ring")) }

// Mint makes the token of these claims. It needs the current key: ErrNoKey without.
func (r Ring) Mint(c Claims) (string, error) {
	if len(r.current) == 0 {
		return "", fmt.Errorf("%w named current", ErrNoKey)
	}
	if len(c.Invitation) == 0 || len(c.Invitation) > maxInvitation || c.SendNumber < 1 || c.Expire.Unix() < 0 {
		return "", errors.New("a token must be for an Invitation that was sent, and that expires")
	}
	raw := make([]byte, 0, tokenSize)
	raw = binary.BigEndian.AppendUint32(raw, uint32(c.SendNumber))
	raw = binary.BigEndian.AppendUint64(raw, uint64(c.Expire.Unix()))
	raw = append(raw, c.Address[:]...)
	raw = append(raw, mac(r.current, c.Invitation, raw)...)
	return encoding.EncodeToString(raw), nil
}

// Verify returns what a token for that Invitation stands for, or ErrInvalid. Whether the Invitation still is what the
// claims say is for the caller to compare.
func (r Ring) Verify(invitation, token string) (Claims, error) {
	if len(invitation) == 0 || len(invitation) > maxInvitation || len(token) != encoding.EncodedLen(tokenSize) {
		return Claims{}, ErrInvalid
	}
	raw, err := encoding.DecodeString(token)
	if err != nil || len(raw) != tokenSize {
		return Claims{}, ErrInvalid
	}
	body, given := raw[:bodySize], raw[bodySize:]
	if !r.signed(invitation, body, given) {
		return Claims{}, ErrInvalid
	}
	return Claims{
		Invitation: invitation,
		SendNumber: int32(binary.BigEndian.Uint32(body)),
		Expire:     time.Unix(int64(binary.BigEndian.Uint64(body[numberSize:])), 0).UTC(),
		Address:    AddressHash(body[numberSize+expireSize:]),
	}, nil
}

func (r Ring) signed(invitation string, body, given []byte) bool {
	for _, key := range [][]byte{r.current, r.previous} {
		if len(key) > 0 && hmac.Equal(given, mac(key, invitation, body)) {
			return true
		}
	}
	return false
}

// mac is over the purpose, the Invitation and the rest; the first two end with a byte that they do not contain.
func mac(key []byte, invitation string, body []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(purpose))
	h.Write([]byte{0, byte(len(invitation))})
	h.Write([]byte(invitation))
	h.Write(body)
	return h.Sum(nil)
}

package token

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"strings"
)

const (
	// sealPurpose keeps the keys that seal apart from the MACs of tokens.
	sealPurpose = "enrol.dev/seal/v1/"
	sealKeySize = 32
)

// Seal encrypts a value, so that nobody reads it and nobody makes another one: what comes out opens for the same purpose only.
// It is text for a URL or a cookie. It needs the current key: ErrNoKey without.
func (r Ring) Seal(purpose string, value []byte) (string, error) {
	if len(r.current) == 0 {
		return "", fmt.Errorf("%w named current", ErrNoKey)
	}
	aead, err := sealer(r.current, purpose)
	if err != nil {
		return "", err
	}
	return encoding.EncodeToString(aead.Seal(nil, nil, value, nil)), nil //nolint:gosec // The nonce is random, and its own affair.
}

// Open is the value that was sealed for the purpose with the current key or the previous one, or ErrInvalid.
func (r Ring) Open(purpose, sealed string) ([]byte, error) {
	raw, err := encoding.DecodeString(sealed)
	// The decoder overlooks line ends.
	if err != nil || strings.ContainsAny(sealed, "\r\n") {
		return nil, ErrInvalid
	}
	for _, key := range [][]byte{r.current, r.previous} {
		if len(key) == 0 {
			continue
		}
		aead, err := sealer(key, purpose)
		if err != nil {
			return nil, err
		}
		if value, err := aead.Open(nil, nil, raw, nil); err == nil {
			return value, nil
		}
	}
	return nil, ErrInvalid
}

// sealer is AES-256-GCM under a key of the purpose's own, which puts a random nonce in front.
func sealer(key []byte, purpose string) (cipher.AEAD, error) {
	derived, err := hkdf.Key(sha256.New, key, nil, sealPurpose+purpose, sealKeySize)
	if err != nil {
		return nil, fmt.Errorf("deriving a key: %w", err)
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, fmt.Errorf("making a cipher: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}

package session

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

const (
	// sessionPurpose and attemptPurpose keep what is sealed for one thing from being taken for the other.
	sessionPurpose = "session"
	attemptPurpose = "sign-in"

	// maxAge is how long a session lasts at most.
	maxAge = time.Hour
	// maxCookie is how many bytes browsers take at least for a cookie with its name and attributes (RFC 6265, 6.1).
	maxCookie = 4096
	// maxContent bounds what a cookie unpacks to. Nobody but this program can have sealed it; a bound costs nothing.
	maxContent = 64 << 10
	// idSize makes ids that never meet.
	idSize = 16
)

// content is what a session's cookie holds.
type content struct {
	id      [idSize]byte
	expire  time.Time
	issuer  string
	idToken string
}

var errContent = errors.New("a session has another form than this")

// pack is a content in as few bytes as it gets: the parts of the token are taken out of their base64, so that they shrink.
func (c *content) pack() ([]byte, error) {
	var packed bytes.Buffer
	packed.Write(c.id[:])
	packed.Write(binary.BigEndian.AppendUint64(nil, uint64(c.expire.Unix())))
	deflated, err := flate.NewWriter(&packed, flate.BestCompression)
	if err != nil {
		return nil, err
	}
	parts := [][]byte{[]byte(c.issuer)}
	for part := range strings.SplitSeq(c.idToken, ".") {
		raw, err := base64.RawURLEncoding.Strict().DecodeString(part)
		if err != nil {
			return nil, fmt.Errorf("packing an ID token: %w", err)
		}
		parts = append(parts, raw)
	}
	for _, part := range parts {
		_, _ = deflated.Write(binary.AppendUvarint(nil, uint64(len(part))))
		_, _ = deflated.Write(part)
	}
	err = deflated.Close()
	return packed.Bytes(), err
}

func unpack(packed []byte) (*content, error) {
	const head = idSize + 8
	if len(packed) < head {
		return nil, errContent
	}
	c := &content{
		id:     [idSize]byte(packed[:idSize]),
		expire: time.Unix(int64(binary.BigEndian.Uint64(packed[idSize:head])), 0).UTC(),
	}
	rest, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed[head:])), maxContent))
	if err != nil {
		return nil, fmt.Errorf("unpacking a session: %w", err)
	}
	var parts []string
	for len(rest) > 0 {
		size, n := binary.Uvarint(rest)
		if n <= 0 || size > uint64(len(rest)-n) {
			return nil, errContent
		}
		end := n + int(size)
		part := rest[n:end]
		if rest = rest[end:]; len(parts) == 0 {
			parts = append(parts, string(part))
			continue
		}
		parts = append(parts, base64.RawURLEncoding.EncodeToString(part))
	}
	const tokenParts = 3
	if len(parts) != 1+tokenParts {
		return nil, errContent
	}
	c.issuer, c.idToken = parts[0], strings.Join(parts[1:], ".")
	return c, nil
}

// claims are those of the token, which was verified before it was sealed.
func (c *content) claims() (claims, error) {
	_, rest, _ := strings.Cut(c.idToken, ".")
	payload, _, _ := strings.Cut(rest, ".")
	raw, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		return nil, errContent
	}
	var found claims
	if err := json.Unmarshal(raw, &found); err != nil {
		return nil, errContent
	}
	return found, nil
}

// Package naming names the objects that Enrol makes for a person: deterministically, so that of two at once one wins.
package naming

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// digits of the hash in a name: 80 bits, and no two people in an organisation share them by chance.
const digits = 20

// Member is the name of the Member for a username or, while none is known, an address.
func Member(subject string) string { return "m-" + hash(subject) }

// Invitation is the name of the n-th Invitation for an address in lower case.
func Invitation(address string, n int) string { return invitationPrefix(address) + strconv.Itoa(n) }

// InvitationNumber is the n that a name was made with; false for a name that was not made for the address.
func InvitationNumber(name, address string) (int, bool) {
	number, ok := strings.CutPrefix(name, invitationPrefix(address))
	if !ok {
		return 0, false
	}
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || strconv.Itoa(n) != number {
		return 0, false
	}
	return n, true
}

func invitationPrefix(address string) string { return fmt.Sprintf("i-%s-", hash(address)) }

func hash(subject string) string {
	sum := sha256.Sum256([]byte(subject))
	return hex.EncodeToString(sum[:])[:digits]
}

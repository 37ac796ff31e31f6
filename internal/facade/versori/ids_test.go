package versori

import (
	"testing"

	"github.com/google/uuid"
)

const (
	exampleUUID = "c4a8e1f2-3b6d-4f90-a7c5-1e2d3f4a5b6c"
	exampleULID = "64N3GZ4EVD9Y8AFH8Y5MZMMPVC"
)

func TestIDs(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason, text, want string
	}{
		"ULID":         {reason: "as we write it", text: exampleULID, want: exampleUUID},
		"ULIDSmall":    {reason: "in any case", text: "64n3gz4evd9y8afh8y5mzmmpvc", want: exampleUUID},
		"UUID":         {reason: "the other text", text: exampleUUID, want: exampleUUID},
		"UUIDCapital":  {reason: "in any case", text: "C4A8E1F2-3B6D-4F90-A7C5-1E2D3F4A5B6C", want: exampleUUID},
		"Zero":         {reason: "the smallest", text: "00000000000000000000000000", want: "00000000-0000-0000-0000-000000000000"},
		"Full":         {reason: "the largest", text: "7ZZZZZZZZZZZZZZZZZZZZZZZZZ", want: "ffffffff-ffff-ffff-ffff-ffffffffffff"},
		"Overflow":     {reason: "more than 128 bits", text: "80000000000000000000000000"},
		"Letter":       {reason: "U is no letter of the alphabet", text: "64U3GZ4EVD9Y8AFH8Y5MZMMPVC"},
		"Lookalike":    {reason: "nor is O for 0", text: "64N3GZ4EVD9Y8AFH8Y5MZMMPVO"},
		"Short":        {reason: "a character is missing", text: "64N3GZ4EVD9Y8AFH8Y5MZMMPV"},
		"Unicode":      {reason: "26 bytes of something else", text: "ééééééééééééé"},
		"Empty":        {reason: "nothing is no id"},
		"UUIDBraces":   {reason: "another text of a UUID", text: "{" + exampleUUID + "}"},
		"UUIDURN":      {reason: "another text of a UUID", text: "urn:uuid:" + exampleUUID},
		"UUIDUndashed": {reason: "another text of a UUID", text: "c4a8e1f23b6d4f90a7c51e2d3f4a5b6c"},
		"UUIDWrong":    {reason: "36 characters of something else", text: "c4a8e1f2-3b6d-4f90-a7c5-1e2d3f4a5b6x"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := uidOf(tc.text); got != tc.want {
				t.Errorf("%s: got %q, want %q", tc.reason, got, tc.want)
			}
		})
	}
	if got := ulidOf(exampleUUID); got != exampleULID {
		t.Errorf("got %q, want %q", got, exampleULID)
	}
	if got := ulidOf("none"); got != "" {
		t.Errorf("got %q for what is no id", got)
	}
}

func FuzzIDs(f *testing.F) {
	f.Add(exampleULID)
	f.Add(exampleUUID)
	f.Add("{" + exampleUUID + "}")
	f.Fuzz(func(t *testing.T, text string) {
		uid := uidOf(text)
		if uid == "" {
			return
		}
		if err := uuid.Validate(uid); err != nil {
			t.Fatalf("%q became %q: %v", text, uid, err)
		}
		if again := uidOf(ulidOf(uid)); again != uid {
			t.Fatalf("%q came back as %q", uid, again)
		}
	})
}

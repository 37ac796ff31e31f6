package token

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Names of the files in a folder of keys, and of the entries of the Secret that it is the mount of.
const (
	Current  = "current"
	Previous = "previous"
)

// rereadAfter is how old what was read may get.
const rereadAfter = time.Second

// Keys is a Ring that is kept in a folder, as a kubelet mounts a Secret. It is safe for concurrent use.
type Keys struct {
	folder string
	clock  func() time.Time

	mu   sync.Mutex
	read time.Time
	ring Ring
	err  error
}

// OpenKeys is the Ring in a folder, which need not be there yet.
func OpenKeys(folder string, clock func() time.Time) *Keys {
	return &Keys{folder: folder, clock: clock}
}

// Format prints no key, whatever the verb.
func (k *Keys) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "token.Keys(%s)", k.folder) }

// Ring is what the files say, or said up to a second ago. It is ErrNoKey while there are none.
func (k *Keys) Ring() (Ring, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.clock()
	if k.read.IsZero() || now.Sub(k.read).Abs() > rereadAfter {
		k.ring, k.err = k.load()
		k.read = now
	}
	return k.ring, k.err
}

func (k *Keys) load() (Ring, error) {
	current, err := k.file(Current)
	if err != nil {
		return Ring{}, err
	}
	previous, err := k.file(Previous)
	if err != nil {
		return Ring{}, err
	}
	ring, err := newRing(current, previous)
	if err != nil {
		return Ring{}, fmt.Errorf("keys in %s: %w", k.folder, err)
	}
	return ring, nil
}

// file reads a key, which is nil where there is no such file.
func (k *Keys) file(name string) ([]byte, error) {
	f, err := os.Open(filepath.Join(k.folder, name))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading a key: %w", err)
	}
	defer func() { _ = f.Close() }()
	// One byte more than allowed, so that a longer file is seen to be too long.
	key, err := io.ReadAll(io.LimitReader(f, maxKey+1))
	if err != nil {
		return nil, fmt.Errorf("reading a key: %w", err)
	}
	return key, nil
}

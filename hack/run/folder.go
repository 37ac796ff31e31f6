package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

const lockName = "lock"

// folder is a session's folder, locked for as long as the session lives.
type folder struct {
	path string
	lock *os.File
}

// openFolder makes the folder and locks it. The kernel lets go of the lock when the process ends, however it ends.
func openFolder(path string) (*folder, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder for the session: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(path, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the lock of %s: %w", path, err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("another `make run` uses %s", path)
	}
	return &folder{path: path, lock: lock}, nil
}

func (f *folder) file(name string) string { return filepath.Join(f.path, name) }

// wipe removes everything but the lock.
func (f *folder) wipe() error {
	entries, err := os.ReadDir(f.path)
	if err != nil {
		return fmt.Errorf("wiping the data of the last session: %w", err)
	}
	for _, entry := range entries {
		if entry.Name() == lockName {
			continue
		}
		if err := os.RemoveAll(f.file(entry.Name())); err != nil {
			return fmt.Errorf("wiping the data of the last session: %w", err)
		}
	}
	return nil
}

// write writes a file whole or not at all: who sees it sees all of it.
func (f *folder) write(name string, content []byte) (string, error) {
	path := f.file(name)
	if err := os.WriteFile(path+".new", content, 0o600); err != nil {
		return "", fmt.Errorf("writing %s: %w", name, err)
	}
	return path, os.Rename(path+".new", path)
}

func (f *folder) remove(name string) { _ = os.Remove(f.file(name)) }

func (f *folder) close() { _ = f.lock.Close() }

// assignment is a line that a shell reads as name=value.
func assignment(name, value string) string {
	if strings.ContainsFunc(value, needsQuotes) {
		value = "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
	}
	return name + "=" + value + "\n"
}

func needsQuotes(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("/._-:@+,", r)
}

// Package process runs child processes that end with their parent: each logs to a file of its own, is stopped by
// SIGTERM and, when that does not help, by SIGKILL, and on Linux dies with the parent even if that is killed.
package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Process is a running child.
type Process struct {
	// Name is what messages call the child.
	Name string
	// LogFile is where the child's standard output and error go.
	LogFile string

	cmd  *exec.Cmd
	done chan struct{}
	err  error
}

// Start runs the program at path with args and sends its output to logFile, which is truncated.
// The child gets a process group of its own, so that a Ctrl-C in the terminal reaches only the parent, which then
// stops its children in an order that loses nothing.
func Start(name, logFile, path string, args ...string) (*Process, error) {
	if err := os.MkdirAll(filepath.Dir(logFile), 0o700); err != nil {
		return nil, fmt.Errorf("making the log folder of %s: %w", name, err)
	}
	out, err := os.OpenFile(logFile, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the log of %s: %w", name, err)
	}
	cmd := exec.Command(path, args...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = attributes()
	p := &Process{Name: name, LogFile: logFile, cmd: cmd, done: make(chan struct{})}

	started := make(chan error)
	go func() {
		// The kernel sends the death signal when the starting *thread* ends, so that thread is kept until the
		// child has gone.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer func() { _ = out.Close() }()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		p.err = cmd.Wait()
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	return p, nil
}

// PID is the child's process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the child has ended; Err then tells how.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err says that the child ended, why, and what it logged last. It is nil while the child runs.
func (p *Process) Err() error {
	select {
	case <-p.done:
	default:
		return nil
	}
	cause := p.err
	if cause == nil {
		cause = errors.New("exit status 0")
	}
	return fmt.Errorf("%s ended: %w; the end of %s:\n%s", p.Name, cause, p.LogFile, tail(p.LogFile, 10))
}

// Wait waits for the child to end and returns nil if it succeeded. If ctx is done first, the child is killed.
func (p *Process) Wait(ctx context.Context) error {
	select {
	case <-p.done:
	case <-ctx.Done():
		p.Kill()
		return fmt.Errorf("waiting for %s: %w", p.Name, context.Cause(ctx))
	}
	if p.err == nil {
		return nil
	}
	return p.Err()
}

// Stop asks the child to end, waits up to grace, then kills it. It returns when the child has gone.
func (p *Process) Stop(grace time.Duration) {
	if p == nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
		return
	case <-time.After(grace):
	}
	p.Kill()
}

// Kill ends the child at once, as a crash would, and returns when it has gone.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

func tail(file string, lines int) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

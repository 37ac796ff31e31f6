package mail

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

// pool bounds connections and keeps those that nobody uses for a while.
type pool struct {
	slots chan struct{}
	idle  time.Duration

	mu     sync.Mutex
	unused []*connection
	closed bool
}

func newPool(connections int, idle time.Duration) *pool {
	return &pool{slots: make(chan struct{}, connections), idle: idle}
}

// acquire waits for the right to a connection.
func (p *pool) acquire(ctx context.Context) error {
	select {
	case p.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *pool) release() { <-p.slots }

// take takes a connection that is there already; nil for none.
func (p *pool) take() (c *connection, reused bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.unused) - 1
	if last < 0 {
		return nil, false
	}
	c = p.unused[last]
	p.unused = p.unused[:last]
	return c, true
}

// put keeps a connection for the next mail.
func (p *pool) put(c *connection) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		c.close()
		return
	}
	c.idle = time.Now()
	p.unused = append(p.unused, c)
	time.AfterFunc(p.idle, p.reap)
}

// reap closes what nobody used for long enough. The one that was used last is taken first, so the oldest are in front.
func (p *pool) reap() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.unused) > 0 && time.Since(p.unused[0].idle) >= p.idle {
		p.unused[0].quit()
		p.unused = p.unused[1:]
	}
}

func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, c := range p.unused {
		c.quit()
	}
	p.unused = nil
}

// quit takes leave, without waiting for long.
func (c *connection) quit() {
	const politeness = 100 * time.Millisecond
	_ = c.smtp.UpdateDeadline(politeness)
	_ = c.client.CloseWithSMTPClient(c.smtp)
	c.close()
}

// isCut tells whether an error is the end of a connection.
func isCut(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

package edge

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// client is the other end, as far as it can be known.
type client struct {
	// source is not valid where the peer has no IP address.
	source netip.Addr
	secure bool
	// proxied is true where the peer is a trusted proxy.
	proxied bool
}

// Source is the address that a context's request comes from, not valid if that is unknown. An IPv4 address is never in its
// IPv6 form, and no address has a zone.
func Source(ctx context.Context) netip.Addr {
	if q := requestOf(ctx); q != nil {
		return q.client.source
	}
	return netip.Addr{}
}

// Secure tells whether a context's request came by TLS, here or to the trusted proxy before us. Of the two the proxy's word
// counts: TLS between it and us does not help a credential that has crossed the network in clear before.
func Secure(ctx context.Context) bool {
	q := requestOf(ctx)
	return q != nil && q.client.secure
}

// NeedsTLS tells whether a context's request must not be answered, because TLS is required and it came in clear. What never
// left the machine needs none.
func NeedsTLS(ctx context.Context, required bool) bool {
	return required && !Secure(ctx) && !Source(ctx).IsLoopback()
}

// SourceKey is what requests of one source are counted by: an IPv4 address, or the /64 of an IPv6 address, which is what one
// customer has at least. All sources without an address share a key.
func SourceKey(source netip.Addr) string {
	if !source.Is6() {
		return source.String()
	}
	prefix, err := source.Prefix(64)
	if err != nil {
		return source.String()
	}
	return prefix.String()
}

// Proxies are the networks of the reverse proxies whose X-Forwarded-For and X-Forwarded-Proto count. It is a flag's value.
type Proxies []netip.Prefix

// String is the networks with commas between.
func (p *Proxies) String() string {
	texts := make([]string, 0, len(*p))
	for _, prefix := range *p {
		texts = append(texts, prefix.String())
	}
	return strings.Join(texts, ",")
}

// Set adds networks in CIDR notation with commas between.
func (p *Proxies) Set(text string) error {
	for entry := range elements(text) {
		prefix, err := netip.ParsePrefix(entry)
		if err != nil {
			return fmt.Errorf("%q must be a network such as 10.0.0.0/8: %w", entry, err)
		}
		if addr := prefix.Addr(); addr.Is4In6() {
			if prefix.Bits() < 96 {
				return fmt.Errorf("%q must be an IPv4 or an IPv6 network, not both", entry)
			}
			prefix = netip.PrefixFrom(addr.Unmap(), prefix.Bits()-96)
		}
		if masked := prefix.Masked(); masked != prefix {
			return fmt.Errorf("%q must be a network, which is %s or a longer prefix", entry, masked)
		}
		*p = append(*p, prefix)
	}
	return nil
}

// clientOf reads the peer's address and, of a trusted peer, what it forwards. Proxies add to the right of X-Forwarded-For, so
// whatever stands left of the first address that is no trusted proxy may be an invention. Other headers of the kind mean nothing.
func clientOf(r *http.Request, proxies Proxies) client {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return client{secure: r.TLS != nil}
	}
	c := client{source: plain(peer.Addr()), secure: r.TLS != nil}
	if !trusted(c.source, proxies) {
		return c
	}
	c.proxied = true
	if protocols := r.Header["X-Forwarded-Proto"]; len(protocols) > 0 {
		_, last, _ := cutLast(protocols[len(protocols)-1])
		c.secure = strings.EqualFold(last, "https")
	}
	for entry := range fromLast(r.Header["X-Forwarded-For"]) {
		addr, ok := forwarded(entry)
		if !ok {
			break
		}
		c.source = addr
		if !trusted(addr, proxies) {
			break
		}
	}
	return c
}

func trusted(addr netip.Addr, proxies Proxies) bool {
	return slices.ContainsFunc(proxies, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// fromLast goes through the elements of a list in several lines, backwards.
func fromLast(lines []string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, line := range slices.Backward(lines) {
			for rest, more := line, true; more; {
				var last string
				if rest, last, more = cutLast(rest); !yield(last) {
					return
				}
			}
		}
	}
}

// cutLast cuts a list before its last element.
func cutLast(list string) (rest, last string, more bool) {
	i := strings.LastIndexByte(list, ',')
	return list[:max(i, 0)], strings.Trim(list[i+1:], " \t"), i >= 0
}

// forwarded reads an entry of X-Forwarded-For. Some proxies add the port.
func forwarded(entry string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(entry)
	if err != nil {
		withPort, err := netip.ParseAddrPort(entry)
		if err != nil {
			return netip.Addr{}, false
		}
		addr = withPort.Addr()
	}
	return plain(addr), true
}

func plain(addr netip.Addr) netip.Addr { return addr.Unmap().WithZone("") }

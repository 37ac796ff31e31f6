package telemetry

import (
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"

	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

// none is the address of what is not served.
const none = "0"

// Flags are those of both programs.
type Flags struct {
	metricsAddress, certDir       string
	secure                        bool
	pprofAddress, tracingEndpoint string
}

// Add adds the flags.
func (f *Flags) Add(flags *flag.FlagSet) {
	flags.StringVar(&f.metricsAddress, "metrics-bind-address", none, "address to serve Prometheus metrics at; 0: not at all")
	flags.BoolVar(&f.secure, "metrics-secure", true,
		"serve metrics over TLS, and only to who may get the URL /metrics, as ClusterRole enrol:metrics-reader allows; false: in "+
			"clear and to everybody, for an address of this machine only")
	flags.StringVar(&f.certDir, "metrics-cert-dir", "",
		"folder with the certificate to serve metrics with, tls.crt and tls.key, read again when they change; empty: one made at the "+
			"start, which nobody can verify")
	flags.StringVar(&f.pprofAddress, "pprof-bind-address", none,
		"address of this machine, such as 127.0.0.1:6060, to serve Go's profiles at, without asking who wants them; 0: not at all")
	flags.StringVar(&f.tracingEndpoint, "tracing-endpoint", "",
		"URL to send traces to by OTLP over HTTP, as in http://collector:4318; empty: none are made. The variables OTEL_* of "+
			"OpenTelemetry say more, such as how many are sampled")
}

// Check refuses what no program can run with.
func (f *Flags) Check() error {
	if f.certDir != "" {
		for _, name := range []string{"tls.crt", "tls.key"} {
			if _, err := os.Stat(filepath.Join(f.certDir, name)); err != nil {
				return fmt.Errorf("--metrics-cert-dir: %w", err)
			}
		}
	}
	if f.pprofAddress != none {
		// A name may stand for any address, now or later.
		address, err := netip.ParseAddrPort(f.pprofAddress)
		if err != nil || !address.Addr().IsLoopback() {
			return fmt.Errorf("--pprof-bind-address must be a loopback address such as 127.0.0.1:6060, not %q: "+
				"profiles hold what is in memory", f.pprofAddress)
		}
	}
	if f.tracingEndpoint != "" {
		u, err := url.Parse(f.tracingEndpoint)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil {
			return errors.New("--tracing-endpoint must be a URL such as http://collector:4318, with no credentials in it")
		}
	}
	return nil
}

// MetricsServer is how to serve metrics.
func (f *Flags) MetricsServer() server.Options {
	o := server.Options{BindAddress: f.metricsAddress, SecureServing: f.secure, CertDir: f.certDir}
	if f.secure {
		o.FilterProvider = filters.WithAuthenticationAndAuthorization
	}
	return o
}

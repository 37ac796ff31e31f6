package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	enrolv1alpha1 "github.com/enrol-dev/enrol/api/v1alpha1"
	"github.com/enrol-dev/enrol/internal/process"
)

// leastPerSecond is what the facade must answer on 2 cores, with the load generator on the same.
const leastPerSecond = 3000

// facadeMe measures how often the facade says what the caller is in an organisation.
func (b *bench) facadeMe(ctx context.Context, f *facadeStage) error {
	figure := fmt.Sprintf("own memberships read through the facade by %d callers, the load generator on the same cores", callers)
	rate := &result{Row: rowFacadeMe, Unit: "per s", Least: leastPerSecond, Figure: figure}
	beside := &result{
		Row: rowFacadeMe, Unit: "per s", LeastRatio: 1. / 3, Figure: "the same",
		Against: "a bare handler of net/http answers the same bytes",
	}
	path := "/api/v1/organisations/" + f.o.name + "/me"
	text, err := f.call(ctx, http.MethodGet, f.facade.url+path, nil)
	if err != nil {
		return err
	}
	url, stop, err := f.startBare(ctx, text)
	if err != nil {
		return err
	}
	defer stop()
	b.say("%s ...", figure)
	// The first is not counted: connections are made then.
	for repetition := range b.repeat + 1 {
		figure, err := f.perSecond(ctx, f.facade.url+path, b.load)
		if err != nil {
			return err
		}
		reference, err := f.perSecond(ctx, url+path, b.load)
		if err != nil {
			return err
		}
		if repetition > 0 {
			rate.Values = append(rate.Values, figure)
			beside.Values = append(beside.Values, figure)
			beside.References = append(beside.References, reference)
		}
	}
	b.add(rate)
	b.add(beside)
	return nil
}

// perSecond is how often a URL answers while it is asked as often as it does.
func (f *facadeStage) perSecond(ctx context.Context, url string, load time.Duration) (float64, error) {
	begun := time.Now()
	var answered atomic.Int64
	err := parallelBy(ctx, callers, callers, func(ctx context.Context, _ int) error {
		for time.Since(begun) < load {
			if _, err := f.call(ctx, http.MethodGet, url, nil); err != nil {
				return err
			}
			answered.Add(1)
		}
		return nil
	})
	return float64(answered.Load()) / time.Since(begun).Seconds(), err
}

// startBare starts a process that answers those bytes to everything.
func (f *facadeStage) startBare(ctx context.Context, text []byte) (url string, stop func(), err error) {
	file := filepath.Join(f.dir, "answer.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return "", nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	server := &facadeProcess{}
	serving, err := f.servingArguments(ctx, server)
	if err != nil {
		return "", nil, err
	}
	p, err := process.Start(bareCommand, filepath.Join(f.dir, "logs", "bare.log"), self,
		append([]string{bareCommand, "--answer=" + file}, serving...)...)
	if err != nil {
		return "", nil, err
	}
	stop = func() { p.Stop(operatorGrace) }
	ctx, cancel := context.WithTimeout(ctx, firstScrape)
	defer cancel()
	for {
		_, err := f.call(ctx, http.MethodGet, server.url, nil)
		if err == nil {
			return server.url, stop, nil
		}
		if pause(ctx, startProbe) != nil {
			stop()
			return "", nil, fmt.Errorf("waiting for the bare handler: %w", err)
		}
	}
}

// bare serves one answer to everybody.
func bare(ctx context.Context, args []string) error {
	var file, address, certFile, keyFile string
	flags := flag.NewFlagSet(bareCommand, flag.ContinueOnError)
	flags.StringVar(&file, "answer", "", "`file` of the answer")
	addServing(flags, &address, &certFile, &keyFile)
	if err := flags.Parse(args); err != nil {
		return err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	server := &http.Server{
		Addr: address, ReadHeaderTimeout: time.Minute,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(text)
		}),
	}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.ListenAndServeTLS(certFile, keyFile); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func addServing(flags *flag.FlagSet, address, certFile, keyFile *string) {
	flags.StringVar(address, "listen-address", "", "`address` to serve at")
	flags.StringVar(certFile, "tls-cert-file", "", "`file` of the certificate")
	flags.StringVar(keyFile, "tls-key-file", "", "`file` of its key")
}

// facadeList measures lists of all members, one at a time, beside lists of the Members by a plain client.
func (b *bench) facadeList(ctx context.Context, f *facadeStage) error {
	o := organisation{name: "listed", projects: projectsOfOne}
	b.say("adding %d Members to list ...", b.members)
	made, err := f.makeListed(ctx, b, o)
	if err != nil {
		return err
	}
	plain, err := kubernetes.NewForConfig(f.plane.TokenConfig(f.token))
	if err != nil {
		return err
	}
	raw := func(ctx context.Context) (int, error) {
		text, err := plain.Discovery().RESTClient().Get().
			AbsPath("/apis", enrolv1alpha1.SchemeGroupVersion.String(), "namespaces", o.home(), "members").DoRaw(ctx)
		return len(text), err
	}
	typed := func(ctx context.Context) (int, error) {
		var list enrolv1alpha1.MemberList
		err := f.plain.List(ctx, &list, client.InNamespace(o.home()))
		return len(list.Items), err
	}
	for _, family := range []struct{ name, path string }{
		{"llamacloud", "/api/v1/organizations/" + string(made.UID) + "/users"},
		{"dreadnode", "/api/v1/org/" + o.name + "/members"},
	} {
		read := func(ctx context.Context) (int, error) {
			text, err := f.call(ctx, http.MethodGet, f.facade.url+family.path, nil)
			return len(text), err
		}
		decoded := func(ctx context.Context) (int, error) {
			text, err := f.call(ctx, http.MethodGet, f.facade.url+family.path, nil)
			if err != nil {
				return 0, err
			}
			var list []map[string]any
			err = json.Unmarshal(text, &list)
			return len(list), err
		}
		figure := fmt.Sprintf("a list of %d members through the facade (%s)", b.members, family.name)
		for _, row := range []struct {
			figure, against string
			sides           [2]func(context.Context) (int, error)
		}{
			{figure + ", read", "a plain client reads the list of the Members", [2]func(context.Context) (int, error){read, raw}},
			{figure + ", decoded", "a typed client lists the Members", [2]func(context.Context) (int, error){decoded, typed}},
		} {
			if err := b.compareLists(ctx, row.figure, row.against, row.sides); err != nil {
				return err
			}
		}
	}
	return nil
}

// makeListed makes the organisation that is listed, with the caller among its owners.
func (f *facadeStage) makeListed(ctx context.Context, b *bench, o organisation) (*enrolv1alpha1.Organisation, error) {
	made, err := f.makeOrganisation(ctx, o)
	if err != nil {
		return nil, err
	}
	made.Spec.Owners = append(made.Spec.Owners, enrolv1alpha1.Owner{Username: callerName})
	if err := f.user.Update(ctx, made); err != nil {
		return nil, fmt.Errorf("adding an owner: %w", err)
	}
	_, err = f.untilReady(ctx, o.home(), b.members, func(ctx context.Context) error {
		return parallel(ctx, b.members, func(ctx context.Context, i int) error {
			_, err := f.addMember(ctx, o, i)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return made, f.awaitRest(ctx)
}

// compareLists lists in turn, often enough for a median.
func (b *bench) compareLists(
	ctx context.Context, figure, against string, sides [2]func(context.Context) (int, error),
) error {
	const times = 5
	r := &result{Row: rowFacadeList, Unit: "ms", MostRatio: 1, Figure: figure, Against: against}
	for range b.repeat {
		var took [2][]float64
		for range times {
			for which, list := range sides {
				begun := time.Now()
				n, err := list(ctx)
				if err != nil {
					return err
				}
				if n < b.members {
					return fmt.Errorf("%s: only %d", figure, n)
				}
				took[which] = append(took[which], milliseconds(time.Since(begun)))
			}
		}
		r.Values = append(r.Values, median(took[0]))
		r.References = append(r.References, median(took[1]))
	}
	b.add(r)
	return nil
}

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/enrol-dev/enrol/internal/controlplane"
)

const adminKubeconfig = "admin.kubeconfig"

// kubeconfig prints a kubeconfig of a person at the session's API server, with a client certificate that says who it is.
func kubeconfig(args []string, out io.Writer) error {
	root, err := controlplane.Root()
	if err != nil {
		return err
	}
	flags := flag.NewFlagSet("run kubeconfig", flag.ContinueOnError)
	dir := flags.String("dir", defaultDir(root), "the session's `folder`")
	groups := flags.String("groups", "", "the person's `groups`, with commas between them")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 || flags.Arg(0) == "" {
		return errors.New("kubeconfig: say whose, as in: kubeconfig jane@example.com")
	}
	// Asked first: opening the authority of a folder makes one where there is none.
	admin, err := clientcmd.LoadFromFile(filepath.Join(*dir, adminKubeconfig))
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("there is no session in %s: start one with `make run`", *dir)
	}
	if err != nil {
		return fmt.Errorf("looking for the session's API server: %w", err)
	}
	plane, err := controlplane.Open(*dir)
	if err != nil {
		return err
	}
	url := admin.Clusters[admin.Contexts[admin.CurrentContext].Cluster].Server
	content, err := plane.Kubeconfig(url, flags.Arg(0), strings.FieldsFunc(*groups, isComma)...)
	if err != nil {
		return err
	}
	_, err = out.Write(content)
	return err
}

func isComma(r rune) bool { return r == ',' }

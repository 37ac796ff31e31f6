package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/enrol-dev/enrol/internal/controlplane"
	"github.com/enrol-dev/enrol/internal/identityprovider"
)

const adminKubeconfig = "admin.kubeconfig"

// kubeconfig prints a kubeconfig of a person at the session's API server: with an ID token of somebody whom the identity
// provider knows, else, and for somebody with groups, with a client certificate that says who it is.
func kubeconfig(ctx context.Context, args []string, out io.Writer) error {
	var groups string
	dir, user, err := parsePerson("kubeconfig", args, func(flags *flag.FlagSet) {
		flags.StringVar(&groups, "groups", "", "the person's `groups`, with commas between them")
	})
	if err != nil {
		return err
	}
	// Asked first: opening the authority of a folder makes one where there is none.
	admin, err := clientcmd.LoadFromFile(filepath.Join(dir, adminKubeconfig))
	if errors.Is(err, os.ErrNotExist) {
		return noSession(dir)
	}
	if err != nil {
		return fmt.Errorf("looking for the session's API server: %w", err)
	}
	plane, err := controlplane.Open(dir)
	if err != nil {
		return err
	}
	people, err := identityprovider.Open(dir)
	if err != nil {
		return err
	}
	url := admin.Clusters[admin.Contexts[admin.CurrentContext].Cluster].Server
	var content []byte
	if groups == "" && people.Knows(user) {
		var token string
		if token, err = people.Token(ctx, user); err != nil {
			return err
		}
		content, err = plane.TokenKubeconfig(url, user, token)
	} else {
		content, err = plane.Kubeconfig(url, user, strings.FieldsFunc(groups, isComma)...)
	}
	if err != nil {
		return err
	}
	_, err = out.Write(content)
	return err
}

// token prints an ID token of a person.
func token(ctx context.Context, args []string, out io.Writer) error {
	dir, user, err := parsePerson("token", args, func(*flag.FlagSet) {})
	if err != nil {
		return err
	}
	people, err := identityprovider.Open(dir)
	if errors.Is(err, os.ErrNotExist) {
		return noSession(dir)
	}
	if err != nil {
		return err
	}
	text, err := people.Token(ctx, user)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, text)
	return err
}

// parsePerson reads the arguments of a command about a person of a session.
func parsePerson(command string, args []string, define func(*flag.FlagSet)) (dir, user string, err error) {
	root, err := controlplane.Root()
	if err != nil {
		return "", "", err
	}
	flags := flag.NewFlagSet("run "+command, flag.ContinueOnError)
	flags.StringVar(&dir, "dir", defaultDir(root), "the session's `folder`")
	define(flags)
	if err := flags.Parse(args); err != nil {
		return "", "", err
	}
	if flags.NArg() != 1 || flags.Arg(0) == "" {
		return "", "", fmt.Errorf("%[1]s: say whose, as in: %[1]s jane@example.com", command)
	}
	return dir, flags.Arg(0), nil
}

func noSession(dir string) error {
	return fmt.Errorf("there is no session in %s: start one with `make run`", dir)
}

func isComma(r rune) bool { return r == ',' }

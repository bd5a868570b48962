package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/gimucco/atproto-go/internal/commandline"
)

const metadataHelp = `metadata writes the documents that an OAuth client publishes, from a config file:
client-metadata.json, which belongs under client_id, and for a confidential client
jwks.json, its public keys, which belongs under jwks_uri if that is set. Without
jwks_uri the keys are in client-metadata.json too. No request is made.

The config is JSON:

  {
    "client_id": "https://app.example.com/client-metadata.json",
    "redirect_uri": "https://app.example.com/callback",
    "scope": "atproto transition:generic",
    "client_name": "My app",
    "client_uri": "https://app.example.com",
    "private_key_path": "key.pem"
  }

  client_id          the URL that client-metadata.json will have
  redirect_uri       where logins end; redirect_uris for a list of several
  scope              what logins may ask for
  client_name        what users are told about the client: client_name, client_uri,
                     logo_uri, tos_uri and policy_uri may all be left out
  jwks_uri           the URL that jwks.json will have
  private_key_path   a key of atproto keygen, or any P-256 key as PEM or JWK; its path is
                     relative to the config file. private_key_paths for a list of
                     several: the first is for new logins, the others are published as
                     long as sessions use them. Without a key it is a public client

Every other key is an error. Each file is replaced as a whole or not at all. No file is
taken away: a jwks.json of a client that has no key any more is named, and left to you.`

func (p *program) metadataCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "metadata",
		Short: "Write the documents that a client publishes",
		Long:  metadataHelp,
		Example: `  atproto metadata
  atproto metadata --config client.json --output=static
  atproto metadata --check`,
		Args: commandline.Args(0, 0, ""),
	}
	config := cmd.Flags().StringP("config", "c", "config.json", "the config `file`")
	output := cmd.Flags().StringP("output", "o", "public", "the `folder` to write to; it is made if it is not there")
	check := cmd.Flags().Bool("check", false, "write nothing; say what is missing or differs, and exit with 1 if something does")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		for name, value := range map[string]string{"config": *config, "output": *output} {
			if value == "" {
				return commandline.Usage(fmt.Errorf("--%s is empty", name), cmd)
			}
		}
		documents, err := compile(*config)
		if err != nil {
			return err
		}
		left, err := leftover(documents, *output)
		if err != nil {
			return err
		}
		if *check {
			return p.compare(documents, left, *output)
		}
		if err := os.MkdirAll(*output, 0o755); err != nil {
			return err
		}
		for _, d := range documents {
			name := filepath.Join(*output, d.name)
			if err := replaceFile(name, d.content, 0o644); err != nil {
				return err
			}
			fmt.Fprintln(p.stdout, "Wrote:", name)
		}
		if left != "" {
			fmt.Fprintf(p.stderr, "atproto: %s is left over: the client has no key. Take the file away\n", left)
		}
		return nil
	}
	return cmd
}

// keySetFile is the file for the keys of a confidential client.
const keySetFile = "jwks.json"

// A document is a file that metadata writes.
type document struct {
	name    string
	content []byte
}

// leftover is the file of keys in dir of a client that has none, "" if there is no such.
func leftover(documents []document, dir string) (string, error) {
	if slices.ContainsFunc(documents, func(d document) bool { return d.name == keySetFile }) {
		return "", nil
	}
	name := filepath.Join(dir, keySetFile)
	switch _, err := os.Lstat(name); {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case err != nil:
		return "", err
	}
	return name, nil
}

// compare says which documents are not in dir as they should be, and what is left over.
func (p *program) compare(documents []document, left, dir string) error {
	same := true
	for _, d := range documents {
		name := filepath.Join(dir, d.name)
		have, err := os.ReadFile(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			same = false
			fmt.Fprintln(p.stdout, "Missing:", name)
		case err != nil:
			return err
		case !bytes.Equal(have, d.content):
			same = false
			fmt.Fprintln(p.stdout, "Differs:", name)
		default:
			fmt.Fprintln(p.stdout, "Up to date:", name)
		}
	}
	if left != "" {
		same = false
		fmt.Fprintln(p.stdout, "Left over:", left)
	}
	if !same {
		return errFound
	}
	return nil
}

// replaceFile writes a file beside its place, and moves it there.
// (renameio, which does the same, does not build on Windows.)
func replaceFile(name string, content []byte, mode os.FileMode) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	_, err = f.Write(content)
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

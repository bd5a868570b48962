package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"

	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/spf13/cobra"

	"github.com/gimucco/atproto-go/internal/commandline"
)

func (p *program) keygenCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keygen",
		Short: "Make a key that a confidential client authenticates by",
		Long: `keygen makes a private key for a confidential client: ECDSA on P-256, which signs
ES256. It prints the key's kid, its RFC 7638 thumbprint, to standard error.

With --output the key goes to a new file that only its owner may read. A file that exists
is never overwritten: sessions are bound to the key that they were begun with.`,
		Example: "  atproto keygen --output key.pem\n  atproto keygen --format jwk --output key.json",
		Args:    commandline.Args(0, 0, ""),
	}
	out := cmd.Flags().StringP("output", "o", "-", "write to this `file`, - for the standard output")
	cmd.Flags().StringVar(out, "out", "-", "write to this `file`")
	cmd.Flags().MarkHidden("out") // the name that --output had
	format := cmd.Flags().String("format", "pem", "`pem` (PKCS #8) or jwk (with its kid)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		encode, ok := map[string]func(*ecdsa.PrivateKey, string) ([]byte, error){"pem": encodePEM, "jwk": encodeJWK}[*format]
		if !ok {
			return commandline.Usage(fmt.Errorf("--format: %q is neither pem nor jwk", *format), cmd)
		}
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return err
		}
		id, err := keyID(key)
		if err != nil {
			return err
		}
		data, err := encode(key, id)
		if err != nil {
			return err
		}
		if *out == "" || *out == "-" {
			_, err = p.stdout.Write(data)
		} else {
			err = writeSecret(*out, data)
		}
		if err != nil {
			return err
		}
		fmt.Fprintln(p.stderr, "kid:", id)
		return nil
	}
	return cmd
}

// keyID is the kid that package oauth gives a key that has none.
func keyID(key *ecdsa.PrivateKey) (string, error) {
	public, err := jwk.FromRaw(key.Public())
	if err != nil {
		return "", err
	}
	sum, err := public.Thumbprint(crypto.SHA256)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}

func encodePEM(key *ecdsa.PrivateKey, _ string) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

func encodeJWK(key *ecdsa.PrivateKey, id string) ([]byte, error) {
	private, err := jwk.FromRaw(key)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(private.Set(jwk.KeyIDKey, id), private.Set(jwk.AlgorithmKey, "ES256")); err != nil {
		return nil, err
	}
	data, err := json.MarshalIndent(private, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(data, '\n'), nil
}

// writeSecret makes a file that only its owner may read. It leaves none behind that is
// not complete.
func writeSecret(name string, data []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s exists already, and a key is never overwritten", name)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(name))
	}
	return nil
}

package main

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// An environment describes a network whose names are in no DNS, as sandbox prints it. It is
// for programs in other languages as well: Hosts says where the names are, and CA is the
// authority that signed their certificates.
type environment struct {
	PDS      string               `json:"pds"`
	Issuer   string               `json:"issuer"`
	PLC      string               `json:"plc"`
	SignIn   string               `json:"sign_in,omitempty"` // the page that a login opens
	Hosts    map[string]string    `json:"hosts"`             // "pds.test:443" → "127.0.0.1:41234"
	CA       string               `json:"ca"`                // PEM
	Accounts []environmentAccount `json:"accounts"`
}

type environmentAccount struct {
	Handle   syntax.Handle `json:"handle"`
	DID      syntax.DID    `json:"did"`
	Password string        `json:"password"`
	Email    string        `json:"email,omitempty"`
}

func describeEnvironment(env *oauthtest.Environment, signIn string) *environment {
	e := &environment{PDS: env.PDS, Issuer: env.Issuer, PLC: env.PLC, SignIn: signIn, Hosts: env.Hosts, CA: string(env.CA)}
	for _, a := range env.Accounts {
		e.Accounts = append(e.Accounts, environmentAccount(a))
	}
	return e
}

// enter sends every request into the environment that a file describes, and nowhere else.
func (p *program) enter(file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("--environment: %w", err)
	}
	var e environment
	if err := json.Unmarshal(data, &e); err != nil {
		return fmt.Errorf("--environment: %s is not what atproto sandbox --json prints: %w", file, err)
	}
	if len(e.Hosts) == 0 || !x509.NewCertPool().AppendCertsFromPEM([]byte(e.CA)) {
		return fmt.Errorf("--environment: %s is not what atproto sandbox --json prints: %w", file, errors.New("it has no hosts, or no ca that is a certificate"))
	}
	env := &oauthtest.Environment{PDS: e.PDS, Issuer: e.Issuer, PLC: e.PLC, Hosts: e.Hosts, CA: []byte(e.CA)}
	p.roundTripper, p.resolver, p.allowLoopback = env.Transport(), env.Resolver(), true
	return nil
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/internal/safehttp"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// documentOf finds the DID document of an account. A handle has to be verified both ways; a
// DID need not have a handle, nor a server.
func (p *program) documentOf(ctx context.Context, typed string) (*identity.Document, error) {
	who, err := accountOf(typed)
	if err != nil {
		return nil, err
	}
	var document *identity.Document
	if did, bad := syntax.ParseDID(string(who)); bad == nil {
		document, err = p.resolve().ResolveDID(ctx, did)
	} else {
		var found *identity.Identity
		if found, err = identity.Lookup(ctx, p.resolve(), who); err == nil {
			document = found.Document
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s\n  %w", explain(err), err)
	}
	return document, nil
}

// printDocument prints a DID document as it was fetched.
func (p *program) printDocument(ctx context.Context, typed string, asJSON bool) error {
	document, err := p.documentOf(ctx, typed)
	if err != nil {
		return err
	}
	if document.Raw == nil {
		return errors.New("the document was not fetched: there is nothing to print")
	}
	return writeRaw(p.stdout, document.Raw, asJSON)
}

// A plcEntry is an operation in the log of the PLC directory
// (https://web.plc.directory/spec/v0.1/did-plc).
type plcEntry struct {
	CID       string       `json:"cid"`
	Nullified bool         `json:"nullified"`
	CreatedAt string       `json:"createdAt"`
	Operation plcOperation `json:"operation"`
}

type plcOperation struct {
	Type                string            `json:"type"`
	AlsoKnownAs         []string          `json:"alsoKnownAs"`
	RotationKeys        []string          `json:"rotationKeys"`
	VerificationMethods map[string]string `json:"verificationMethods"`
	Services            map[string]struct {
		Endpoint string `json:"endpoint"`
	} `json:"services"`
	// The first operations of old accounts ("create").
	Handle      string `json:"handle"`
	Service     string `json:"service"`
	SigningKey  string `json:"signingKey"`
	RecoveryKey string `json:"recoveryKey"`
}

// printHistory prints the log of a did:plc.
func (p *program) printHistory(ctx context.Context, typed string, asJSON bool) error {
	who, err := accountOf(typed)
	if err != nil {
		return err
	}
	did, bad := syntax.ParseDID(string(who))
	if bad != nil {
		document, err := p.documentOf(ctx, typed)
		if err != nil {
			return err
		}
		did = document.ID
	}
	if did.Method() != "plc" {
		return fmt.Errorf("%s has no history: only a did:plc has one, in the PLC directory", did)
	}
	client := safehttp.New(safehttp.Options{UnguardedTransport: p.roundTripper, AllowLoopback: p.allowLoopback})
	body, err := client.Get(ctx, identity.DefaultDirectory+"/"+string(did)+"/log/audit", safehttp.Rules{Accept: []string{"application/json"}, MaxBytes: 8 << 20})
	if e, ok := errors.AsType[*safehttp.Error](err); ok && e.Status == 404 {
		if _, bad := p.resolve().ResolveDID(ctx, did); bad == nil {
			return fmt.Errorf("this PLC directory has %s, but keeps no log: --document prints what it has\n  %w", did, err)
		}
		return fmt.Errorf("the PLC directory has no %s\n  %w", did, err)
	}
	if err != nil {
		return fmt.Errorf("the PLC directory does not give the log of %s; try again later\n  %w", did, err)
	}
	if asJSON {
		return writeRaw(p.stdout, body, true)
	}
	var log []plcEntry
	if err := json.Unmarshal(body, &log); err != nil {
		return fmt.Errorf("the PLC directory's log of %s cannot be read: %w", did, err)
	}
	for i, e := range log {
		if i > 0 {
			fmt.Fprintln(p.stdout)
		}
		writeRows(p.stdout, e.rows())
	}
	return nil
}

// rows says what an operation made of the account.
func (e *plcEntry) rows() []row {
	kind := e.Operation.Type
	if e.Nullified {
		kind += "  (taken back since)"
	}
	op := &e.Operation
	rows := []row{{"time", e.CreatedAt}, {"operation", kind}, {"CID", e.CID}}
	handles := slices.Clone(op.AlsoKnownAs)
	if op.Handle != "" {
		handles = append(handles, op.Handle)
	}
	for _, handle := range handles {
		rows = append(rows, row{"handle", strings.TrimPrefix(handle, "at://")})
	}
	rows = append(rows, row{"PDS", op.Service})
	for _, name := range slices.Sorted(maps.Keys(op.Services)) {
		label := name
		if name == "atproto_pds" {
			label = "PDS"
		}
		rows = append(rows, row{label, op.Services[name].Endpoint})
	}
	rows = append(rows, row{"key atproto", op.SigningKey})
	for _, name := range slices.Sorted(maps.Keys(op.VerificationMethods)) {
		rows = append(rows, row{"key " + name, op.VerificationMethods[name]})
	}
	for _, key := range append(slices.Clone(op.RotationKeys), op.RecoveryKey) {
		rows = append(rows, row{"rotation key", key})
	}
	return rows
}

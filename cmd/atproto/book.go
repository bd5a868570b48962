package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"github.com/spf13/cobra"

	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A book says which accounts are logged in. It holds no secret: those are in the store of
// sessions, sealed. It is the file accounts.json of the folder that folder returns.
type book struct {
	Default  syntax.DID `json:"default,omitempty"`
	Key      keyPlace   `json:"key,omitempty"`
	Accounts []entry    `json:"accounts"`
}

// An entry is an account that is logged in.
type entry struct {
	DID     syntax.DID    `json:"did"`
	Handle  syntax.Handle `json:"handle"`
	Session string        `json:"session"` // its ID in the store
	// AppPassword: not OAuth.
	AppPassword bool `json:"app_password,omitempty"`
	// Scope is what was asked for: it names the client that the session is of.
	Scope string `json:"scope,omitempty"`
	// Loopback: the login began at a server on this machine.
	Loopback bool `json:"loopback,omitempty"`
}

// name is how people call the account.
func (e *entry) name() string {
	if e.Handle == "" || e.Handle == syntax.HandleInvalid {
		return string(e.DID)
	}
	return string(e.Handle)
}

// folder is where accounts, sessions and their key are.
func (p *program) folder() (string, error) {
	if dir := p.getenv("ATPROTO_CONFIG_DIR"); dir != "" {
		return dir, nil
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("there is no folder for your settings: set ATPROTO_CONFIG_DIR: %w", err)
	}
	return filepath.Join(dir, "atproto"), nil
}

const bookFile = "accounts.json"

// readBook returns the accounts. Nobody is logged in where there is no file.
func (p *program) readBook() (*book, error) {
	dir, err := p.folder()
	if err != nil {
		return nil, err
	}
	name := filepath.Join(dir, bookFile)
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return new(book), nil
	}
	if err != nil {
		return nil, err
	}
	b := new(book)
	if err := json.Unmarshal(data, b); err != nil {
		return nil, fmt.Errorf("%s cannot be read: take it away and log in again: %w", name, err)
	}
	return b, nil
}

// changeBook changes the accounts while no other process does.
func (p *program) changeBook(ctx context.Context, change func(*book) error) error {
	dir, err := p.folder()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	lock := flock.New(filepath.Join(dir, bookFile+".lock"), flock.SetPermissions(0o600))
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if ok, err := lock.TryLockContext(ctx, 50*time.Millisecond); err != nil || !ok {
		return fmt.Errorf("another process changes %s for too long: %w", filepath.Join(dir, bookFile), err)
	}
	defer lock.Close()
	b, err := p.readBook()
	if err != nil {
		return err
	}
	if err := change(b); err != nil {
		return err
	}
	data, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return err
	}
	return replaceFile(filepath.Join(dir, bookFile), append(data, '\n'), 0o600)
}

// find returns the account that a person means, and the default one where nothing is typed.
func (b *book) find(typed string) (*entry, error) {
	if len(b.Accounts) == 0 {
		return nil, errors.New("nobody is logged in: run atproto login HANDLE")
	}
	if strings.TrimSpace(typed) == "" {
		if e := b.byDID(b.Default); e != nil {
			return e, nil
		}
		return nil, fmt.Errorf("no account is the default one: give --account, or run atproto accounts --default HANDLE; logged in are %s", b.names())
	}
	meant := strings.TrimPrefix(typed, "@")
	if parsed, err := identity.ParseTyped(typed); err == nil && parsed.Account != "" {
		meant = string(parsed.Account)
	}
	for i := range b.Accounts {
		if e := &b.Accounts[i]; string(e.DID) == meant || strings.EqualFold(string(e.Handle), meant) {
			return e, nil
		}
	}
	return nil, fmt.Errorf("%q is not logged in: run atproto login %s; logged in are %s", typed, meant, b.names())
}

func (b *book) byDID(did syntax.DID) *entry {
	i := slices.IndexFunc(b.Accounts, func(e entry) bool { return e.DID == did })
	if i < 0 {
		return nil
	}
	return &b.Accounts[i]
}

func (b *book) names() string {
	names := make([]string, len(b.Accounts))
	for i := range b.Accounts {
		names[i] = b.Accounts[i].name()
	}
	return strings.Join(names, ", ")
}

// put enters an account in the place of what there was of it. The first account is the
// default one.
func (b *book) put(e entry) {
	b.remove(e.DID, "")
	b.Accounts = append(b.Accounts, e)
	slices.SortFunc(b.Accounts, func(x, y entry) int { return strings.Compare(x.name(), y.name()) })
	if b.byDID(b.Default) == nil {
		b.Default = e.DID
	}
}

// remove takes an account out, if it is still logged in by this session; "" is any.
func (b *book) remove(did syntax.DID, session string) {
	b.Accounts = slices.DeleteFunc(b.Accounts, func(e entry) bool { return e.DID == did && (session == "" || e.Session == session) })
}

// settle makes the one account that is left the default one, once the default one is gone.
func (b *book) settle() {
	if b.byDID(b.Default) == nil {
		b.Default = ""
		if len(b.Accounts) == 1 {
			b.Default = b.Accounts[0].DID
		}
	}
}

// accountFlag adds the choice of an account.
func (p *program) accountFlag(cmd *cobra.Command) *string {
	account := cmd.Flags().StringP("account", "a", "", "be this `account` instead of the default one: a handle or DID")
	cmd.RegisterFlagCompletionFunc("account", p.completeAccounts)
	return account
}

// completeAccounts completes accounts that are logged in.
func (p *program) completeAccounts(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	b, err := p.readBook()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for i := range b.Accounts {
		if name := b.Accounts[i].name(); strings.HasPrefix(name, begun) && !slices.Contains(args, name) {
			names = append(names, printable(name))
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

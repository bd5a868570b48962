package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gimucco/atproto-go/internal/commandline"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

func (p *program) accountsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "accounts",
		Short: "List the accounts that are logged in",
		Long: `accounts lists the accounts that are logged in. The default one, which commands act as unless
--account or the variable ATPROTO_ACCOUNT names another, has a star. The first login makes it;
--default changes it. No server is asked: atproto whoami does that.`,
		Example: "  atproto accounts\n  atproto accounts --default alice.example.com",
		Args:    commandline.Args(0, 0, ""),
	}
	makeDefault := cmd.Flags().String("default", "", "make this `account` the default one: a handle or DID")
	cmd.RegisterFlagCompletionFunc("default", p.completeAccounts)
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *makeDefault != "" {
			err := p.changeBook(cmd.Context(), func(b *book) error {
				e, err := b.find(*makeDefault)
				if err == nil {
					b.Default = e.DID
				}
				return err
			})
			if err != nil {
				return err
			}
		}
		b, err := p.readBook()
		if err != nil {
			return err
		}
		list := make([]accountLine, len(b.Accounts))
		for i := range b.Accounts {
			list[i] = b.describe(&b.Accounts[i])
		}
		if *asJSON {
			return writeJSON(p.stdout, list)
		}
		if len(list) == 0 {
			fmt.Fprintln(p.stderr, "Nobody is logged in: run atproto login HANDLE")
		}
		for _, a := range list {
			mark := " "
			if a.Default {
				mark = "*"
			}
			fmt.Fprintf(p.stdout, "%s %-28s %-34s %s\n", mark, a.Handle, a.DID, a.how())
		}
		return nil
	}
	return cmd
}

// An accountLine is an account as it is printed.
type accountLine struct {
	Handle  syntax.Handle `json:"handle"`
	DID     syntax.DID    `json:"did"`
	Login   string        `json:"login"` // "oauth" or "app password"
	Scope   string        `json:"scope,omitempty"`
	Default bool          `json:"default"`
}

func (b *book) describe(e *entry) accountLine {
	line := accountLine{Handle: e.Handle, DID: e.DID, Login: "oauth", Scope: e.Scope, Default: e.DID == b.Default}
	if e.AppPassword {
		line.Login = "app password"
	}
	return line
}

func (a accountLine) how() string {
	if a.Scope == "" {
		return a.Login
	}
	return a.Login + ": " + a.Scope
}

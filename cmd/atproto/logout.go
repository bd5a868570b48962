package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gimucco/atproto-go/apppassword"
	"github.com/gimucco/atproto-go/internal/commandline"
	"github.com/gimucco/atproto-go/oauth"
)

func (p *program) logoutCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "logout [HANDLE|DID]...",
		Short: "Log out of accounts",
		Long: `logout ends the sessions of accounts, here and at their servers. Without a handle it is the
default account. Where a server cannot be told, the session is gone here all the same, and the
exit status is 1.`,
		Example:           "  atproto logout\n  atproto logout alice.example.com\n  atproto logout --all",
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: p.completeAccounts,
	}
	all := cmd.Flags().Bool("all", false, "log out of all accounts")
	timeout := timeoutFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *all && len(args) > 0 {
			return commandline.Usage(errors.New("--all is every account: leave it or the handles out"), cmd)
		}
		b, err := p.readBook()
		if err != nil {
			return err
		}
		var out []entry
		switch {
		case *all:
			out = b.Accounts
		case len(args) == 0:
			args = []string{p.getenv("ATPROTO_ACCOUNT")}
			fallthrough
		default:
			for _, typed := range args {
				e, err := b.find(typed)
				if err != nil {
					return err
				}
				out = append(out, *e)
			}
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), *timeout)
		defer cancel()
		var failed []error
		for i := range out {
			if err := p.end(ctx, b.Key, &out[i]); err != nil {
				failed = append(failed, err)
				continue
			}
			fmt.Fprintln(p.stdout, "Logged out:", out[i].name())
		}
		return errors.Join(failed...)
	}
	return cmd
}

// end ends the session of an account. It takes it out of the book unless the session may
// still be there.
func (p *program) end(ctx context.Context, place keyPlace, e *entry) error {
	forget := func() error {
		return p.changeBook(context.WithoutCancel(ctx), func(b *book) error {
			b.remove(e.DID, e.Session)
			b.settle()
			return nil
		})
	}
	c, err := p.clientOf(place, e)
	if err != nil { // such as a key that is lost: nobody can use the session any more
		return errors.Join(fmt.Errorf("%s: logged out here, but its server could not be told; take the session away on the server's page\n  %w", e.name(), err), forget())
	}
	defer shutdown(ctx, c)
	err = c.logout(ctx, e.DID, e.Session)
	switch {
	case errors.Is(err, oauth.ErrStore), errors.Is(err, apppassword.ErrStore):
		return fmt.Errorf("%s: still logged in: log out again: %w", e.name(), err)
	case errors.Is(err, oauth.ErrSessionUnknown), errors.Is(err, apppassword.ErrSessionUnknown):
		err = nil
	case err != nil:
		err = fmt.Errorf("%s: logged out here, but its server could not be told; its tokens die when they expire\n  %w", e.name(), err)
	}
	return errors.Join(err, forget())
}

package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/internal/commandline"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

func (p *program) whoamiCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "whoami",
		Short: "Ask the server who you are",
		Long: `whoami asks the account's server who is logged in, and so whether the session is good. The
e-mail address is there only for sessions that may read it.`,
		Example: "  atproto whoami\n  atproto whoami --account bob.example.com --json",
		Args:    commandline.Args(0, 0, ""),
	}
	account := p.accountFlag(cmd)
	asJSON := jsonFlag(cmd)
	timeout := timeoutFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ctx, cancel := context.WithTimeout(cmd.Context(), *timeout)
		defer cancel()
		return p.as(ctx, *account, func(s session, e *entry) error {
			out, err := comatproto.NewClient(s).Server.GetSession(ctx)
			if err != nil {
				return err
			}
			me := self{Handle: out.Handle, DID: out.DID, PDS: s.Host(), Login: "oauth"}
			if e.AppPassword {
				me.Login = "app password"
			}
			if granted, ok := s.(interface{ Scope() string }); ok {
				me.Scope = granted.Scope()
			}
			if out.Email != nil {
				me.Email = *out.Email
			}
			if out.Active != nil && !*out.Active {
				me.Status = "not active"
				if out.Status != nil {
					me.Status = string(*out.Status)
				}
			}
			if *asJSON {
				return writeJSON(p.stdout, me)
			}
			writeRows(p.stdout, []row{
				{"handle", string(me.Handle)}, {"DID", string(me.DID)}, {"PDS", me.PDS}, {"e-mail", me.Email},
				{"status", me.Status}, {"login", me.Login}, {"scope", me.Scope},
			})
			return nil
		})
	}
	return cmd
}

// A self is what whoami prints.
type self struct {
	Handle syntax.Handle `json:"handle"`
	DID    syntax.DID    `json:"did"`
	PDS    string        `json:"pds"`
	Email  string        `json:"email,omitempty"`
	Status string        `json:"status,omitempty"`
	Login  string        `json:"login"`
	Scope  string        `json:"scope,omitempty"`
}

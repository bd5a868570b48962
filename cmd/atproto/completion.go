package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/gimucco/atproto-go/internal/commandline"
)

func (p *program) completionCommand() *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	return &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Write a script by which a shell completes commands",
		Long: `completion writes a script for a shell. With it, the Tab key completes commands, flags, the
accounts that you are logged in to, the names of methods (NSIDs) and their parameters.

To have it in every shell that you start:

  bash        atproto completion bash > ~/.local/share/bash-completion/completions/atproto
  zsh         atproto completion zsh > "${fpath[1]}/_atproto"
  fish        atproto completion fish > ~/.config/fish/completions/atproto.fish
  powershell  atproto completion powershell >> $PROFILE`,
		Example:   "  source <(atproto completion bash)",
		ValidArgs: shells,
		Args:      commandline.Args(1, 1, "say for which shell: bash, zsh, fish or powershell"),
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			write, ok := map[string]func(io.Writer) error{
				"bash":       func(w io.Writer) error { return root.GenBashCompletionV2(w, true) },
				"zsh":        root.GenZshCompletion,
				"fish":       func(w io.Writer) error { return root.GenFishCompletion(w, true) },
				"powershell": root.GenPowerShellCompletionWithDesc,
			}[args[0]]
			if !ok {
				return commandline.Usage(fmt.Errorf("%q is no shell that there is a script for: say bash, zsh, fish or powershell", args[0]), cmd)
			}
			return write(p.raw)
		},
	}
}

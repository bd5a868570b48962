package main

import (
	"errors"
	"fmt"

	"github.com/gimucco/atproto-go/internal/commandline"
	"github.com/gimucco/atproto-go/lexgen/internal/install"
	"github.com/spf13/cobra"
)

const installHelp = `install fetches lexicons and the lexicons that they need, writes each to a file such as
lexicons/com/example/feed/post.json, and notes in lexicons.json what was asked for and
where all of it came from. The manifest is that of the TypeScript tool ("lex install" of
@atproto/lex): both tools may work in one folder. Commit it with the lexicons.

What can be installed:

  com.example.feed.post      a lexicon, from its authority
  com.example.feed.*         all lexicons of an authority, as they are now
  at://did:plc:…/com.atproto.lexicon.schema/com.example.feed.post
                             a lexicon, from the repository of an account: of one that
                             is not the authority, or has no name in DNS
  ./folder                   the lexicons at or below a folder
  module:example.org/m/lexicons
                             those in a folder of a Go module that yours uses
  https://example.org/repo.git#v1.2:lexicons
                             those in a git repository: at a branch, a tag or a commit,
                             below a folder; both may be left out. It takes the git command

Without arguments, what the manifest has is installed where files are missing.

The authority of com.example.feed.post is the domain feed.example.com. Its DNS has a TXT
record _lexicon.feed.example.com that names an account, as did=…; domains above and below
are not asked. The PDS of the account gives the record with its proof: it has to be signed
by the account's key, to be a lexicon, and to say that it is the one that was asked for.
com.example.* are therefore the lexicons right below com.example; com.example.feed is an
authority of its own, and said to be where the same account has lexicons of it.

The manifest names accounts. --update fetches everything anew from the accounts that it
names, and warns where an authority has another account by now; an NSID on the command
line together with --update is looked up in DNS anew. What came from folders and git is
noted in lexicons.sources.json, which the TypeScript tool does not know.

All is fetched and checked before a file changes; after an error nothing has changed. A
file that was not installed, or was edited since, is replaced by --update only. Lexicons
that nothing needs any more are removed. Runs with one manifest take turns.

--ci asks no network and writes nothing. It fails if the manifest and the files do not
agree: a file that is missing or has another CID, a lexicon that is needed and not there,
or there and not needed.`

func installCommand(network install.Network) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "install [NSID | at://… | AUTHORITY.* | FOLDER | GIT-URL]…",
		Short: "Fetch lexicons from where they are published",
		Long:  installHelp,
		Example: `  lexgen install com.atproto.repo.strongRef app.bsky.richtext.*
  lexgen install
  lexgen install --update
  lexgen install --ci`,
		Args: cobra.ArbitraryArgs,
	}
	o := install.Options{Network: network}
	flags := cmd.Flags()
	flags.StringVar(&o.Folder, "lexicons", "lexicons", "the `folder` of the lexicons")
	flags.StringVar(&o.Manifest, "manifest", "lexicons.json", "the manifest `file`")
	flags.BoolVar(&o.Update, "update", false, "fetch anew what is installed")
	flags.BoolVar(&o.NoSave, "no-save", false, "leave the manifest as it is")
	flags.BoolVar(&o.AllowMissing, "allow-missing", false, "warn of lexicons that are needed and cannot be had, instead of failing")
	ci := flags.Bool("ci", false, "fail if manifest and files do not agree; write nothing, ask no network")
	flags.StringSliceVar(&o.Network.Directories, "directory", network.Directories, "the `URL` of a PLC directory (default: https://plc.directory)")
	flags.BoolVar(&o.Network.AllowLoopback, "allow-loopback", network.AllowLoopback, "let servers be on this machine, for development")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *ci {
			if o.Update || o.NoSave {
				return commandline.Usage(errors.New("--ci writes nothing: it goes without --update and --no-save"), cmd)
			}
			return installed(cmd, o, args)
		}
		report, err := install.Run(cmd.Context(), o, args)
		if err != nil {
			return err
		}
		warn(cmd, report.Warnings)
		for _, line := range report.Lines {
			fmt.Fprintln(cmd.OutOrStdout(), line)
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%d lexicons are installed\n", report.Total)
		return nil
	}
	return cmd
}

// installed is install --ci.
func installed(cmd *cobra.Command, o install.Options, args []string) error {
	problems, err := install.Check(o, args)
	if err != nil {
		return err
	}
	for _, problem := range problems {
		fmt.Fprintln(cmd.OutOrStdout(), problem)
	}
	if len(problems) > 0 {
		return fmt.Errorf("%s and %s do not agree, in %d places: run lexgen install, or lexgen install --update", o.Manifest, o.Folder, len(problems))
	}
	return nil
}

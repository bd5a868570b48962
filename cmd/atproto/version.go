package main

import (
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gimucco/atproto-go/internal/commandline"
)

func (p *program) versionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Say which version this is",
		Long: `version says which version of the command this is, which Go built it, and, where it was
built in a working copy, of which commit.`,
		Example: "  atproto version\n  atproto version --json",
		Args:    commandline.Args(0, 0, ""),
	}
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		info, _ := debug.ReadBuildInfo()
		v := versionOf(info)
		if *asJSON {
			return writeJSON(p.stdout, v)
		}
		fmt.Fprintln(p.stdout, v)
		return nil
	}
	return cmd
}

// A version is what a program knows of its own making.
type version struct {
	Version  string `json:"version"`
	Go       string `json:"go,omitempty"`
	Commit   string `json:"commit,omitempty"`
	Modified bool   `json:"modified,omitempty"`
}

// versionOf reads what the go command wrote into a program, nil if it wrote nothing.
func versionOf(info *debug.BuildInfo) version {
	v := version{Version: "unknown"}
	if info == nil {
		return v
	}
	v.Go = info.GoVersion
	if info.Main.Version != "" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}

func (v version) String() string {
	details := make([]string, 0, 2)
	if v.Go != "" {
		details = append(details, v.Go)
	}
	if v.Commit != "" {
		commit := "commit " + v.Commit[:min(len(v.Commit), 12)]
		if v.Modified {
			commit += ", changed since"
		}
		details = append(details, commit)
	}
	if len(details) == 0 {
		return "atproto " + v.Version
	}
	return "atproto " + v.Version + " (" + strings.Join(details, ", ") + ")"
}

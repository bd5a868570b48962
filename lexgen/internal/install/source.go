package install

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/gimucco/atproto-go/internal/said"
	"github.com/gimucco/atproto-go/lexgen/internal/input"
)

// gitTimeout bounds what git does for one repository.
const gitTimeout = 5 * time.Minute

// readFolder reads all lexicons at or below a folder.
func readFolder(ctx context.Context, dir, from string) ([]*lexicon, error) {
	lib, err := input.Read(ctx, ".", []string{dir})
	if err != nil {
		return nil, err
	}
	var out []*lexicon
	for _, nsid := range lib.NSIDs() {
		name, text := lib.Text(nsid)
		if len(text) > maxLexicon {
			return nil, fmt.Errorf("%s: larger than %d bytes, which no lexicon is", name, maxLexicon)
		}
		l, err := ofText(name, nsid, text)
		if err != nil {
			return nil, err
		}
		l.from = from
		out = append(out, l)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s: no lexicon is there", from)
	}
	// Whatever else is there is not asked for.
	for _, err := range lib.Broken {
		out[0].warnings = append(out[0].warnings, err.Error()+"; it is passed over")
	}
	out[0].warnings = append(out[0].warnings, lib.Warnings...)
	return out, nil
}

// readGit fetches one commit of a repository, and reads the lexicons in it.
func (o *Options) readGit(ctx context.Context, g *gitSource) (lexicons []*lexicon, commit string, err error) {
	ctx, cancel := context.WithTimeout(ctx, gitTimeout)
	defer cancel()
	dir, err := os.MkdirTemp("", "lexgen-git-")
	if err != nil {
		return nil, "", err
	}
	defer os.RemoveAll(dir)
	ref := g.ref
	if ref == "" {
		ref = "HEAD"
	}
	for _, args := range [][]string{
		{"init", "--quiet", "."},
		{"fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--", g.url, ref},
		{"checkout", "--quiet", "--detach", "FETCH_HEAD"},
		{"rev-parse", "HEAD"},
	} {
		out, err := o.git(ctx, dir, args)
		if err != nil {
			return nil, "", fmt.Errorf("%s: %w", g, err)
		}
		commit = strings.TrimSpace(out)
	}
	lexicons, err = readFolder(ctx, filepath.Join(dir, filepath.FromSlash(g.folder)), g.String())
	if err != nil {
		// The folder is gone when this is read.
		return nil, "", fmt.Errorf("%s: %s", g, strings.ReplaceAll(err.Error(), filepath.ToSlash(dir), "…"))
	}
	for _, l := range lexicons {
		for i := range l.warnings {
			l.warnings[i] = strings.ReplaceAll(l.warnings[i], filepath.ToSlash(dir), g.url)
		}
	}
	return lexicons, commit, nil
}

// git runs git in a folder of a repository that a stranger may have made: it asks nobody for a password, runs no hooks or
// filters, makes no links, and speaks https only.
func (o *Options) git(ctx context.Context, dir string, args []string) (string, error) {
	command := o.Git
	if command == "" {
		command = "git"
	}
	cmd := exec.CommandContext(ctx, command, append([]string{
		"-c", "core.hooksPath=" + os.DevNull, "-c", "core.symlinks=false", "-c", "core.fsmonitor=false",
		"-c", "filter.lfs.process=", "-c", "filter.lfs.smudge=", "-c", "filter.lfs.required=false", "-c", "advice.detachedHead=false",
	}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_TERMINAL_PROMPT=0", "GIT_ALLOW_PROTOCOL=https", "GIT_DIR="+filepath.Join(dir, ".git"), "GIT_WORK_TREE="+dir)
	cmd.WaitDelay = time.Second
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, said.Text(strings.TrimSpace(stderr.String())))
	}
	return stdout.String(), nil
}

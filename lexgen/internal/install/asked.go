package install

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// asked is what a command line asks for: one of these.
type asked struct {
	nsid   syntax.NSID // a lexicon, from its authority or, with a uri, from there
	uri    syntax.ATURI
	group  string // the NSIDs of an authority without their names: "com.example.feed"
	folder string // a folder or a file
	git    *gitSource
}

// A gitSource is lexicons in a git repository.
type gitSource struct {
	url    string // https
	ref    string // a branch, a tag or a commit; "" is what the server has as its first
	folder string // in the repository, with slashes; "" is all of it
}

// String is how it is asked for.
func (g *gitSource) String() string {
	s := g.url
	if g.ref != "" || g.folder != "" {
		s += "#" + g.ref
	}
	if g.folder != "" {
		s += ":" + g.folder
	}
	return s
}

// parse understands one argument.
func parse(arg string) (asked, error) {
	scheme, _, hasScheme := strings.Cut(arg, "://")
	group, isGroup := strings.CutSuffix(arg, ".*")
	switch {
	case scheme == "at" && hasScheme:
		uri, err := parseURI(arg)
		return asked{uri: uri, nsid: syntax.NSID(uri.RecordKey())}, err
	case (scheme == "https" || scheme == "git+https") && hasScheme:
		git, err := parseGit(strings.TrimPrefix(arg, "git+"))
		return asked{git: git}, err
	case hasScheme:
		return asked{}, fmt.Errorf("%.200q: only at:// and, for git repositories, https:// can be installed from", arg)
	case strings.HasPrefix(arg, "git@"):
		return asked{}, fmt.Errorf("%.200q: write a git repository as its https:// URL", arg)
	case isGroup:
		if err := syntax.NSID(group + ".name").Validate(); err != nil {
			return asked{}, fmt.Errorf("%.200q is not an authority and \".*\": %w", arg, err)
		}
		return asked{group: group}, nil
	}
	nsid, err := syntax.ParseNSID(arg)
	if err == nil {
		return asked{nsid: nsid}, nil
	}
	if strings.ContainsAny(arg, `/\`) || arg == "." || arg == ".." {
		return asked{folder: arg}, nil
	}
	if _, statErr := os.Stat(arg); statErr == nil {
		return asked{folder: arg}, nil
	}
	return asked{}, fmt.Errorf("%.200q is neither an NSID nor an at:// URI, a folder or the https:// URL of a git repository: %w", arg, err)
}

// parseURI reads the URI of a lexicon. Its authority may be a handle.
func parseURI(s string) (syntax.ATURI, error) {
	uri, err := syntax.ParseATURI(s)
	if err != nil {
		return "", err
	}
	if uri.Collection() != collection {
		return "", fmt.Errorf("%.200q is no lexicon: those are at://DID/%s/NSID", s, collection)
	}
	if err := syntax.NSID(uri.RecordKey()).Validate(); err != nil {
		return "", fmt.Errorf("%.200q is no lexicon: %w", s, err)
	}
	return uri, nil
}

// parseGit reads "https://host/repository#ref:folder".
func parseGit(s string) (*gitSource, error) {
	plain, fragment, _ := strings.Cut(s, "#")
	u, err := url.Parse(plain)
	switch {
	case err != nil:
		return nil, err
	case u.Host == "" || u.Path == "" || u.Path == "/":
		return nil, fmt.Errorf("%.200q is not the URL of a git repository", s)
	case u.User != nil:
		return nil, errors.New("the URL of a git repository may not hold credentials, which would be written into a file: git has credential helpers")
	}
	g := &gitSource{url: plain}
	g.ref, g.folder, _ = strings.Cut(fragment, ":")
	if strings.HasPrefix(g.ref, "-") || strings.ContainsAny(g.ref, " \t\r\n:?*[\\^~") {
		return nil, fmt.Errorf("%.200q: %q is not a branch, a tag or a commit", s, g.ref)
	}
	if g.folder != "" {
		if !filepath.IsLocal(filepath.FromSlash(g.folder)) {
			return nil, fmt.Errorf("%.200q: %q is not a folder of the repository", s, g.folder)
		}
		g.folder = path.Clean(g.folder)
	}
	return g, nil
}

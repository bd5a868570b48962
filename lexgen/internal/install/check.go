package install

import (
	"fmt"
	"maps"
	"slices"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// Check says what Run would change, without a network: files that are missing or are not what the manifest says, lexicons
// that are needed and not there, and the other way round. args have to be installed already. It writes nothing.
func Check(o Options, args []string) (problems []string, err error) {
	i, err := begin(o)
	if err != nil {
		return nil, err
	}
	if err := i.readOld(); err != nil {
		return nil, err
	}
	if i.oldText == nil && i.ledgerWas == nil {
		return nil, fmt.Errorf("%s is not there: lexgen install writes it", o.Manifest)
	}
	say := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	for _, arg := range args {
		a, err := parse(arg)
		if err != nil {
			return nil, err
		}
		if !i.has(a) {
			say("%s is not installed", arg)
		}
	}
	todo := slices.Clone(i.old.Lexicons)
	for name, s := range i.oldLedger.Sources {
		for nsid := range s.Lexicons {
			if other, _ := i.oldLedger.of(nsid); other != name {
				say("%s is in %s and in %s", nsid, other, name)
			}
			todo = append(todo, nsid)
		}
	}
	seen := make(map[syntax.NSID]bool)
	by := make(map[syntax.NSID]syntax.NSID)
	for len(todo) > 0 {
		nsid := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[nsid] {
			continue
		}
		seen[nsid] = true
		was := i.was(nsid)
		if was == "" {
			if by[nsid] != "" && !o.AllowMissing {
				say("%s is not installed, and %s needs it", nsid, by[nsid])
			} else if by[nsid] == "" {
				say("%s is asked for, and not installed", nsid)
			}
			continue
		}
		l, err := i.installed(nsid)
		switch {
		case err != nil:
			say("%s", err)
			continue
		case l == nil:
			name, _ := fileOf(o.Folder, nsid)
			say("%s is missing", name)
			continue
		case l.broken != nil:
			say("%s", l.broken)
			continue
		case l.cid != was:
			name, _ := fileOf(o.Folder, nsid)
			say("%s has the CID %s, and %s was installed", name, l.cid, was)
		}
		for _, ref := range l.refs {
			if by[ref] == "" && !slices.Contains(i.old.Lexicons, ref) {
				by[ref] = nsid
			}
			todo = append(todo, ref)
		}
	}
	for _, nsid := range slices.Sorted(maps.Keys(i.old.Resolutions)) {
		if !seen[nsid] {
			say("%s is installed, and nothing needs it", nsid)
		}
	}
	slices.Sort(problems)
	return problems, nil
}

// has reports whether what is asked for is installed.
func (i *installation) has(a asked) bool {
	switch {
	case a.git != nil:
		return i.oldLedger.Sources[a.git.String()] != nil
	case a.folder != "":
		return i.oldLedger.Sources[i.relative(a.folder)] != nil
	case a.group != "":
		domain := syntax.NSID(a.group + ".name").Authority()
		return slices.ContainsFunc(i.old.Lexicons, func(nsid syntax.NSID) bool { return nsid.Authority() == domain })
	}
	r, ok := i.old.Resolutions[a.nsid]
	return slices.Contains(i.old.Lexicons, a.nsid) && ok && (a.uri == "" || a.uri == r.URI)
}

package install

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/lexgen/internal/output"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// Options say what a run does.
type Options struct {
	Folder   string // of the lexicons
	Manifest string // the file
	// Update fetches all anew that is installed, from where it came.
	Update bool
	// NoSave leaves the manifest as it is.
	NoSave bool
	// AllowMissing lets a lexicon be missing that another one needs.
	AllowMissing bool
	Network      Network
	// Git is the git command. "": git
	Git string
}

// A Report is what a run did.
type Report struct {
	Lines    []string // what has changed, sorted by NSID
	Warnings []string
	Total    int // lexicons that are installed now
}

const (
	// maxInstalled is how many lexicons one run takes.
	maxInstalled = 10_000
	// parallel is how many are fetched at once.
	parallel = 8
)

// Run installs what args name, and what the manifest has: lexicons by their NSIDs or at:// URIs, all those of an
// authority, those in a folder or a git repository, and all lexicons that these need. After an error nothing has changed.
// Other runs with the same manifest are waited for.
func Run(ctx context.Context, o Options, args []string) (report *Report, err error) {
	i, err := begin(o)
	if err != nil {
		return nil, err
	}
	for _, arg := range args {
		a, err := parse(arg)
		if err != nil {
			return nil, err
		}
		i.asked = append(i.asked, a)
	}
	dir := filepath.Dir(o.Manifest)
	missing := missingFolders(dir)
	release, err := output.Lock(ctx, dir) // makes the folder
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			for _, dir := range missing {
				_ = os.Remove(dir) // it fails where somebody put something
			}
		}
		err = errors.Join(err, release())
	}()
	if err := i.readOld(); err != nil {
		return nil, err
	}
	if err := i.collect(ctx); err != nil {
		return nil, err
	}
	return i.write()
}

// missingFolders are a folder and those around it that are not there, from the inside out.
func missingFolders(dir string) (out []string) {
	for {
		if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
			return out
		}
		out = append(out, dir)
		dir = filepath.Dir(dir)
	}
}

// An installation is one run.
type installation struct {
	Options
	asked   []asked
	network *session

	old       *manifest // never nil
	oldText   []byte    // nil: there was none
	oldLedger *ledger
	ledgerWas []byte

	wanted map[syntax.NSID]wanted // that has been looked for, or will be
	ledger *ledger                // of this run

	mu       sync.Mutex
	found    map[syntax.NSID]*lexicon
	seen     map[syntax.NSID][]byte // what files held, nil where there were none, when it was decided what they are to hold
	warnings []string
}

// wanted is a lexicon that is to be installed.
type wanted struct {
	uri    syntax.ATURI // "": from where it was, or from its authority
	byName bool         // the command line names it
	by     syntax.NSID  // the lexicon that needs it, "" for a root
}

func begin(o Options) (*installation, error) {
	if o.Folder == "" || o.Manifest == "" {
		return nil, errors.New("the folder of lexicons and the manifest need names")
	}
	return &installation{
		Options: o, network: o.Network.begin(),
		wanted: make(map[syntax.NSID]wanted), found: make(map[syntax.NSID]*lexicon), seen: make(map[syntax.NSID][]byte),
		ledger: &ledger{Version: 1, Sources: make(map[string]*source)},
	}, nil
}

func (i *installation) readOld() (err error) {
	if i.old, i.oldText, err = readManifest(i.Manifest); err != nil {
		return err
	}
	if i.old == nil {
		i.old = &manifest{Version: 1}
	}
	i.oldLedger, i.ledgerWas, err = readLedger(ledgerName(i.Manifest))
	return err
}

// collect finds all lexicons. It changes no file.
func (i *installation) collect(ctx context.Context) error {
	for _, a := range i.asked {
		if err := i.ask(ctx, a); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(i.oldLedger.Sources)) {
		if i.superseded(name) {
			continue
		}
		if err := i.keepSource(ctx, name); err != nil {
			return err
		}
	}
	for _, nsid := range i.old.Lexicons {
		if _, ok := i.wanted[nsid]; !ok {
			i.wanted[nsid] = wanted{}
		}
	}
	if len(i.wanted)+len(i.ledger.Sources) == 0 {
		return fmt.Errorf("there is nothing to install: name a lexicon; %s has none", i.Manifest)
	}
	for todo := maps.Clone(i.wanted); ; {
		if len(i.found)+len(todo) > maxInstalled {
			return fmt.Errorf("more than %d lexicons are to be installed", maxInstalled)
		}
		if err := i.obtainAll(ctx, todo); err != nil {
			return err
		}
		if todo = i.needed(); len(todo) == 0 {
			return i.distinct()
		}
	}
}

// ask takes one argument.
func (i *installation) ask(ctx context.Context, a asked) error {
	switch {
	case a.git != nil:
		lexicons, commit, err := i.readGit(ctx, a.git)
		if err != nil {
			return err
		}
		return i.take(a.git.String(), commit, lexicons)
	case a.folder != "":
		name := i.relative(a.folder)
		if i.overlaps(a.folder) {
			return fmt.Errorf("%s: lexicons are installed in %s; one of the folders would be in the other", name, i.Folder)
		}
		lexicons, err := readFolder(ctx, a.folder, name)
		if err != nil {
			return err
		}
		return i.take(name, "", lexicons)
	case a.group != "":
		return i.askGroup(ctx, a.group)
	}
	uri := a.uri
	if _, isDID := uri.Authority().DID(); uri != "" && !isDID {
		account, err := identity.Lookup(ctx, i.network.resolver, uri.Authority())
		if err != nil {
			return err
		}
		uri = syntax.RecordURI(syntax.AtIdentifier(account.DID), collection, uri.RecordKey())
	}
	if other, ok := i.wanted[a.nsid]; ok && other.uri != uri {
		return fmt.Errorf("%s is asked for twice, from %s and from %s", a.nsid, cmp.Or(string(other.uri), "its authority"), cmp.Or(string(uri), "its authority"))
	}
	i.wanted[a.nsid] = wanted{uri: uri, byName: true}
	return nil
}

// inModule begins a folder of a Go module.
const inModule = "module:"

// relative is how a folder is written down: as seen from the manifest, with slashes.
func (i *installation) relative(folder string) string {
	if strings.HasPrefix(folder, inModule) {
		return folder
	}
	base, err := filepath.Abs(filepath.Dir(i.Manifest))
	if err != nil {
		return filepath.ToSlash(folder)
	}
	dir, err := filepath.Abs(folder)
	if err != nil {
		return filepath.ToSlash(folder)
	}
	rel, err := filepath.Rel(base, dir)
	if err != nil {
		return filepath.ToSlash(dir)
	}
	rel = filepath.ToSlash(rel)
	if !strings.HasPrefix(rel, ".") {
		rel = "./" + rel
	}
	return rel
}

// overlaps reports whether a folder is the one of the lexicons, or in it, or around it.
func (i *installation) overlaps(folder string) bool {
	if strings.HasPrefix(folder, inModule) {
		return false
	}
	a, errA := filepath.Abs(folder)
	b, errB := filepath.Abs(i.Folder)
	if errA != nil || errB != nil {
		return false
	}
	within := func(inner, outer string) bool {
		rel, err := filepath.Rel(outer, inner)
		return err == nil && filepath.IsLocal(rel)
	}
	return within(a, b) || within(b, a)
}

// askGroup asks for all lexicons of an authority. Those of authorities below it are not its own: each of them has a
// name in DNS.
func (i *installation) askGroup(ctx context.Context, group string) error {
	domain := syntax.NSID(group + ".name").Authority()
	did, err := i.network.authority(ctx, domain)
	if err != nil {
		return err
	}
	all, err := i.network.list(ctx, did)
	if err != nil {
		return fmt.Errorf("the lexicons of %s: %w", did, err)
	}
	n := 0
	below := make(map[string]int)
	for _, nsid := range all {
		switch authority := nsid.Authority(); {
		case authority == domain:
			n++
			i.wanted[nsid] = wanted{uri: syntax.RecordURI(syntax.AtIdentifier(did), collection, syntax.RecordKey(nsid)), byName: true}
		case strings.HasSuffix(authority, "."+domain):
			segments := nsid.Segments()
			below[strings.Join(segments[:len(segments)-1], ".")]++
		}
	}
	for _, other := range slices.Sorted(maps.Keys(below)) {
		i.warn(fmt.Sprintf("%s also has %d lexicons of %s, an authority of its own: %[3]s.* installs them", did, below[other], other))
	}
	if n == 0 {
		return fmt.Errorf("%s, to which _lexicon.%s leads, has no lexicons of %s", did, domain, group)
	}
	return nil
}

func (i *installation) warn(text string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.warnings = append(i.warnings, text)
}

// take notes what a source has.
func (i *installation) take(name, commit string, lexicons []*lexicon) error {
	s := &source{Commit: commit, Lexicons: make(map[syntax.NSID]syntax.CID)}
	for _, l := range lexicons {
		if other := i.found[l.nsid]; other != nil {
			return fmt.Errorf("%s is in %s and in %s; %s says what came from where", l.nsid, other.from, name, ledgerName(i.Manifest))
		}
		have, err := i.installed(l.nsid)
		if err != nil {
			return err
		}
		if err := i.mayReplace(l, have, i.was(l.nsid)); err != nil {
			return err
		}
		s.Lexicons[l.nsid] = l.cid
		i.found[l.nsid] = l
	}
	i.ledger.Sources[name] = s
	return nil
}

// keepSource keeps what came from a source, or reads it anew.
func (i *installation) keepSource(ctx context.Context, name string) error {
	was := i.oldLedger.Sources[name]
	var kept []*lexicon
	for _, nsid := range slices.Sorted(maps.Keys(was.Lexicons)) {
		have, err := i.installed(nsid)
		if err != nil {
			return err
		}
		if have != nil && have.cid == was.Lexicons[nsid] {
			have.from = name
			kept = append(kept, have)
		}
	}
	if !i.Update && len(kept) == len(was.Lexicons) {
		return i.take(name, was.Commit, kept)
	}
	a, err := parse(name)
	if err != nil {
		return fmt.Errorf("%s: %w", ledgerName(i.Manifest), err)
	}
	if a.folder != "" && !filepath.IsAbs(a.folder) && !strings.HasPrefix(a.folder, inModule) {
		a.folder = filepath.Join(filepath.Dir(i.Manifest), filepath.FromSlash(a.folder))
	}
	if a.folder == "" && a.git == nil {
		return fmt.Errorf("%s: %q is neither a folder nor a git repository", ledgerName(i.Manifest), name)
	}
	return i.ask(ctx, a)
}

// superseded reports whether a source was asked for in this run, if by another ref.
func (i *installation) superseded(name string) bool {
	if i.ledger.Sources[name] != nil {
		return true
	}
	old, err := parse(name)
	return err == nil && old.git != nil && slices.ContainsFunc(i.asked, func(a asked) bool {
		return a.git != nil && a.git.url == old.git.url && a.git.folder == old.git.folder
	})
}

// was is the CID by which a lexicon is installed, "" if it is not.
func (i *installation) was(nsid syntax.NSID) syntax.CID {
	if r, ok := i.old.Resolutions[nsid]; ok {
		return r.CID
	}
	if _, s := i.oldLedger.of(nsid); s != nil {
		return s.Lexicons[nsid]
	}
	return ""
}

// installed reads the file of a lexicon, nil if there is none. The folders that lead to it have to be folders: a link
// would lead out of where lexicons are.
func (i *installation) installed(nsid syntax.NSID) (*lexicon, error) {
	name, err := fileOf(i.Folder, nsid)
	if err != nil {
		return nil, err
	}
	for dir := filepath.Dir(name); len(dir) > len(filepath.Clean(i.Folder)); dir = filepath.Dir(dir) {
		if info, err := os.Lstat(dir); err == nil && !info.IsDir() {
			return nil, fmt.Errorf("%s is a file or a link, and should be a folder", dir)
		}
	}
	text, err := readSmall(name, maxLexicon)
	if err != nil {
		return nil, err
	}
	i.mu.Lock()
	i.seen[nsid] = text
	i.mu.Unlock()
	if text == nil {
		return nil, nil
	}
	l, err := ofText(filepath.ToSlash(name), nsid, text)
	if err != nil {
		return &lexicon{nsid: nsid, text: text, broken: err}, nil
	}
	return l, nil
}

// mayReplace makes sure that no work of anybody is lost: what is replaced was installed, and is as it was then.
func (i *installation) mayReplace(l, have *lexicon, was syntax.CID) error {
	if have == nil || i.Update {
		return nil
	}
	if have.broken != nil {
		return fmt.Errorf("%w; move it away, or replace it by --update", have.broken)
	}
	if have.cid == l.cid || have.cid == was {
		return nil
	}
	name, _ := fileOf(i.Folder, l.nsid)
	if was == "" {
		return fmt.Errorf("%s is there already, was not installed, and differs from %s: move it away, or replace it by --update", name, l.origin())
	}
	return fmt.Errorf("%s is not as it was installed: --update replaces it by what is in %s now", name, l.origin())
}

// obtainAll finds lexicons, several at a time.
func (i *installation) obtainAll(ctx context.Context, todo map[syntax.NSID]wanted) error {
	var missing []syntax.NSID
	for _, nsid := range slices.Sorted(maps.Keys(todo)) {
		if i.found[nsid] != nil && !todo[nsid].byName {
			continue // a source has it
		}
		if other := i.found[nsid]; other != nil {
			return fmt.Errorf("%s is asked for twice, from %s and from %s; %s says what came from folders and git", nsid, other.origin(), cmp.Or(string(todo[nsid].uri), "its authority"), ledgerName(i.Manifest))
		}
		missing = append(missing, nsid)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	var mu sync.Mutex
	failed := make(map[syntax.NSID]error)
	for _, nsid := range missing {
		group.Go(func() error {
			w := todo[nsid]
			l, err := i.obtain(ctx, nsid, w)
			if err != nil {
				if w.by != "" {
					err = fmt.Errorf("%w (%s needs it)", err, w.by)
				}
				if i.AllowMissing && w.by != "" && ctx.Err() == nil {
					i.warn(err.Error() + "; it is left out")
					return nil
				}
				mu.Lock()
				defer mu.Unlock()
				failed[nsid] = err
				return err
			}
			i.mu.Lock()
			defer i.mu.Unlock()
			i.found[nsid] = l
			return nil
		})
	}
	err := group.Wait()
	if err == nil {
		return nil
	}
	// Those that were ended by the failure of another say nothing.
	var errs []error
	for _, nsid := range slices.Sorted(maps.Keys(failed)) {
		if !errors.Is(failed[nsid], context.Canceled) {
			errs = append(errs, failed[nsid])
		}
	}
	if len(errs) == 0 {
		return err
	}
	return errors.Join(errs...)
}

// obtain finds one lexicon: among the files, else in the repository that it came from, else in that of its authority.
func (i *installation) obtain(ctx context.Context, nsid syntax.NSID, w wanted) (*lexicon, error) {
	have, err := i.installed(nsid)
	if err != nil {
		return nil, err
	}
	was, known := i.old.Resolutions[nsid]
	if !i.Update && known && have != nil && (w.uri == "" || w.uri == was.URI) {
		if have.cid == was.CID {
			have.uri = was.URI
			return have, nil
		}
	}
	uri := w.uri
	if uri == "" && known && (!w.byName || !i.Update) {
		uri = was.URI
		i.noteMove(ctx, nsid, uri)
	}
	if uri == "" {
		did, err := i.network.authority(ctx, nsid.Authority())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", nsid, err)
		}
		uri = syntax.RecordURI(syntax.AtIdentifier(did), collection, syntax.RecordKey(nsid))
	}
	l, err := i.network.fetch(ctx, uri)
	if err != nil {
		return nil, err
	}
	if err := i.mayReplace(l, have, was.CID); err != nil {
		return nil, err
	}
	for _, warning := range l.warnings {
		i.warn(warning)
	}
	return l, nil
}

// noteMove says that an authority has another account than the one that a lexicon comes from. It may have been chosen,
// and so nothing is done about it.
func (i *installation) noteMove(ctx context.Context, nsid syntax.NSID, uri syntax.ATURI) {
	if !i.Update {
		return
	}
	if did, err := i.network.authority(ctx, nsid.Authority()); err == nil && syntax.AtIdentifier(did) != uri.Authority() {
		i.warn(fmt.Sprintf("%s comes from %s, and its authority is %s now: lexgen install --update %[1]s takes it from there", nsid, uri.Authority(), did))
	}
}

// needed are the lexicons that others need, and that have not been looked for yet.
func (i *installation) needed() map[syntax.NSID]wanted {
	todo := make(map[syntax.NSID]wanted)
	for _, nsid := range slices.Sorted(maps.Keys(i.found)) {
		for _, ref := range i.found[nsid].refs {
			if _, lookedFor := i.wanted[ref]; i.found[ref] == nil && !lookedFor {
				todo[ref] = wanted{by: nsid}
				i.wanted[ref] = todo[ref]
			}
		}
	}
	return todo
}

// distinct makes sure that no two lexicons have names that are one file where case does not count.
func (i *installation) distinct() error {
	names := make(map[string]syntax.NSID)
	for _, nsid := range slices.Sorted(maps.Keys(i.found)) {
		folded := strings.ToLower(string(nsid))
		if other, ok := names[folded]; ok {
			return fmt.Errorf("%s and %s differ in capitals only, and would be one file on some systems", other, nsid)
		}
		names[folded] = nsid
	}
	return nil
}

// next is the manifest of what was found.
func (i *installation) next() *manifest {
	m := &manifest{Version: 1, Resolutions: make(map[syntax.NSID]resolution)}
	for nsid, l := range i.found {
		if l.from != "" {
			continue
		}
		m.Resolutions[nsid] = resolution{l.uri, l.cid}
		if i.wanted[nsid].by == "" {
			m.Lexicons = append(m.Lexicons, nsid)
		}
	}
	return m
}

// write changes the files: the lexicons first, the manifest last.
func (i *installation) write() (*Report, error) {
	report := &Report{Total: len(i.found)}
	slices.Sort(i.warnings)
	for _, nsid := range slices.Sorted(maps.Keys(i.found)) {
		if l := i.found[nsid]; l.from != "" {
			i.warnings = append(i.warnings, l.warnings...)
		}
	}
	report.Warnings = i.warnings
	var changes []output.Replacement
	change := func(name string, old, new []byte) {
		if (old == nil) != (new == nil) || !bytes.Equal(old, new) {
			changes = append(changes, output.Replacement{Name: name, Old: old, New: new})
		}
	}
	say := func(what string, nsid syntax.NSID, more string) {
		report.Lines = append(report.Lines, fmt.Sprintf("%-8s %s  %s", what, nsid, more))
	}
	all := slices.Collect(maps.Keys(i.found))
	for nsid := range i.old.Resolutions {
		all = append(all, nsid)
	}
	for _, s := range i.oldLedger.Sources {
		all = slices.AppendSeq(all, maps.Keys(s.Lexicons))
	}
	slices.Sort(all)
	for _, nsid := range slices.Compact(all) {
		name, err := fileOf(i.Folder, nsid)
		if err != nil {
			return nil, err
		}
		text, ok := i.seen[nsid]
		if !ok {
			if text, err = readSmall(name, maxLexicon); err != nil {
				return nil, err
			}
		}
		l, was := i.found[nsid], i.was(nsid)
		switch {
		case l != nil && was == "":
			say("new", nsid, l.origin())
		case l != nil && was != l.cid:
			say("changed", nsid, l.origin())
		case l != nil && text == nil:
			say("restored", nsid, l.origin())
		case l == nil && text == nil, l == nil && i.NoSave:
			continue
		case l == nil:
			if cid, err := cidOf(text); err != nil || cid != was {
				report.Warnings = append(report.Warnings, fmt.Sprintf("%s is not needed any more, and not as it was installed: it is left where it is", name))
				continue
			}
			say("removed", nsid, "nothing needs it any more")
			change(name, text, nil)
			continue
		}
		if text != nil {
			if cid, err := cidOf(text); err == nil && cid == l.cid {
				continue // in a layout of somebody's own
			}
		}
		change(name, text, l.text)
	}
	if !i.NoSave {
		change(ledgerName(i.Manifest), i.ledgerWas, i.ledger.text())
		change(i.Manifest, i.oldText, i.next().text())
	}
	if err := output.Clear(i.Folder); err != nil {
		return nil, err
	}
	if err := output.Replace(changes); err != nil {
		return nil, err
	}
	return report, nil
}

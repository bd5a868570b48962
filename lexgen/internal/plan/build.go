package plan

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gimucco/atproto-go/lexgen/internal/resolve"
	"github.com/gimucco/atproto-go/lexgen/internal/schema"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// Build plans definitions of a set, which have been checked. The plan does not depend on the order of the documents. All
// errors found are returned together.
func Build(set *resolve.Set, cfg *Config, ids []resolve.ID) (*Program, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	b := &builder{set: set, cfg: cfg, ids: ids, packages: make(map[string]*pkg), renamed: make(map[string]bool)}
	for _, pc := range cfg.sorted() {
		if !pc.External {
			b.packages[pc.Path] = newPkg(pc)
		}
	}
	for _, doc := range set.Documents() {
		b.document(doc)
	}
	return b.finish()
}

// builder is one run of Build.
type builder struct {
	set      *resolve.Set
	cfg      *Config
	ids      []resolve.ID    // what is planned
	packages map[string]*pkg // by import path; external ones are absent
	renamed  map[string]bool // rename keys that were used
	warnings []string
	errs     []error
}

// pkg is a package in the making.
type pkg struct {
	*Package
	scope  *scope
	client *scope            // fields and methods of Client
	groups map[string]*group // by NSID
	errors map[string]*declared
}

type group struct {
	*Group
	scope *scope
}

// declared is an error and what declares it.
type declared struct {
	name, description string
	by                []declaring
}

// declaring is a method that declares an error.
type declaring struct {
	nsid string
	name string // as comments name it
}

func newPkg(pc PackageConfig) *pkg {
	p := &pkg{
		Package: &Package{Name: pc.Name, Path: pc.Path, Dir: pc.Dir, Prefixes: pc.Prefixes, Manifest: make(Manifest)},
		scope:   newScope("package " + pc.Name),
		client:  newScope("package " + pc.Name + ", type Client"),
		groups:  make(map[string]*group),
		errors:  make(map[string]*declared),
	}
	p.scope.reserve("the generated client", "Client", "NewClient", "Records")
	return p
}

// A place is a document within its package.
type place struct {
	pkg      *pkg
	file     *File
	doc      *schema.Document
	segments []string // of the NSID, below the package's prefix
}

func (b *builder) fail(err error) {
	if err != nil {
		b.errs = append(b.errs, err)
	}
}

// warn warns once, however often a definition is referred to.
func (b *builder) warn(at schema.Pos, format string, args ...any) {
	if w := at.Errorf(format, args...).Error(); !slices.Contains(b.warnings, w) {
		b.warnings = append(b.warnings, w)
	}
}

// document plans the definitions of doc that are to be planned.
func (b *builder) document(doc *schema.Document) {
	wanted := slices.DeleteFunc(slices.Clone(doc.Defs), func(d schema.Def) bool {
		return !slices.Contains(b.ids, resolve.ID{NSID: doc.ID, Name: d.Name})
	})
	if len(wanted) == 0 {
		return
	}
	pc, prefix := b.cfg.packageOf(doc.ID)
	if pc == nil {
		b.fail(fmt.Errorf("%s: %s belongs to no package; add a prefix to packages in the config", doc.File, doc.ID))
		return
	}
	if pc.External {
		return
	}
	segments := strings.Split(strings.TrimPrefix(string(doc.ID), prefix+"."), ".")
	pl := &place{pkg: b.packages[pc.Path], file: &File{Name: fileName(segments), NSID: doc.ID}, doc: doc, segments: segments}
	base := strings.TrimSuffix(pl.file.Name, ".go")
	for n := 2; slices.ContainsFunc(pl.pkg.Files, func(other *File) bool { return other.Name == pl.file.Name }); n++ {
		pl.file.Name = fmt.Sprintf("%s_%d.go", base, n)
	}
	pl.file.Codec = strings.TrimSuffix(pl.file.Name, ".go") + codecEnding
	for _, def := range wanted {
		b.definition(pl, def)
	}
	if len(pl.file.Decls) > 0 {
		pl.pkg.Files = append(pl.pkg.Files, pl.file)
	}
}

// goName is the Go name of a definition in its package.
func (b *builder) goName(id resolve.ID) Name {
	pc, prefix := b.cfg.packageOf(id.NSID)
	if pc == nil {
		return Name{Name: camel(id.String())} // reported by document
	}
	key := string(id.NSID) + ":defs." + id.Name
	if name, ok := b.external(pc, key); ok {
		return Name{Path: pc.Path, Name: name}
	}
	var name strings.Builder
	for s := range strings.SplitSeq(strings.TrimPrefix(string(id.NSID), prefix+"."), ".") {
		name.WriteString(camel(s))
	}
	if id.Name != "main" {
		name.WriteString(camel(id.Name))
	}
	return Name{Path: pc.Path, Name: b.rename(key, name.String())}
}

// external is the name that a package which exists has for a schema. Of one without a manifest the names are guessed.
func (b *builder) external(pc *PackageConfig, key string) (string, bool) {
	manifest := b.cfg.Manifests[pc.Path]
	if !pc.External || manifest == nil {
		return "", false
	}
	name, ok := manifest[key]
	if !ok {
		b.fail(fmt.Errorf("config: package %s has nothing for %s: it was generated from other lexicons; use another version of it, or generate what is missing", pc.Path, key))
	}
	return name, true
}

// rename gives the config a say.
func (b *builder) rename(key, name string) string {
	if to, ok := b.cfg.Rename[key]; ok {
		b.renamed[key] = true
		return to
	}
	return name
}

func keyOf(p schema.Pos) string { return string(p.NSID) + ":" + p.Path }

// take registers a declaration of the package.
func (pl *place) take(name string, at schema.Pos, suffix string) {
	key := keyOf(at) + suffix
	if suffix == "(nsid)" {
		key = keyOf(at) // it is named after the definition
	}
	pl.pkg.scope.take(name, at.String()+suffix, key, strings.TrimSuffix(name, nsidSuffix(suffix)))
	if suffix == "" || suffix == "(type)" {
		pl.pkg.Manifest[key] = name
	}
}

// nsidSuffix is what the constant of an NSID has behind the name of its type, which is what can be renamed.
func nsidSuffix(suffix string) string {
	if suffix == "(nsid)" {
		return "NSID"
	}
	return ""
}

func (pl *place) add(d Decl) { pl.file.Decls = append(pl.file.Decls, d) }

// definition plans one entry of defs.
func (b *builder) definition(pl *place, def schema.Def) {
	id := resolve.ID{NSID: pl.doc.ID, Name: def.Name}
	name := b.goName(id).Name
	at := def.Type.At()
	lead := func(kind string) string { return name + " is the " + kind + " " + id.String() }
	switch t := def.Type.(type) {
	case *schema.Method:
		b.method(pl, t, id)
	case *schema.Subscription:
		b.subscription(pl, t, id)
	case *schema.PermissionSet:
		title := t.Detail
		if title == "" {
			title = t.Title
		}
		pl.take(name+"NSID", at, "(nsid)")
		pl.add(&Strings{Values: []Constant{{Name: name + "NSID", Value: string(id.NSID), Doc: docOf(name+"NSID names the permission set "+id.String(), title).with("Ask for it with scope.Include.")}}})
	case *schema.Token:
		pl.take(name, at, "")
		pl.add(&Strings{Values: []Constant{{Name: name, Value: id.String(), Doc: docOf(name+" is the token "+id.String(), t.Description)}}})
	case *schema.Record:
		pl.take(name, at, "")
		pl.take(name+"NSID", at, "(nsid)")
		s := &Struct{Name: name, Doc: docOf(lead("record"), t.Description), LexType: id.String(), Record: true, NSID: name + "NSID", NSIDDoc: Doc{name + "NSID is the collection of [" + name + "] records."}, Key: t.Key}
		if key, ok := strings.CutPrefix(t.Key, "literal:"); ok {
			s.NSIDDoc = s.NSIDDoc.with(fmt.Sprintf("Their key is always %q.", key))
		}
		pl.add(s)
		s.Fields = b.fields(pl, id, t.Object.Properties, name, name)
		pl.pkg.Records = append(pl.pkg.Records, Record{NSID: id.String(), Go: name})
	case *schema.Object:
		pl.take(name, at, "")
		s := &Struct{Name: name, Doc: docOf(lead("object"), t.Description), LexType: id.String()}
		pl.add(s)
		s.Fields = b.fields(pl, id, t.Properties, name, name)
	case *schema.String:
		pl.take(name, at, "")
		if len(t.Enum) == 0 && len(t.KnownValues) == 0 && t.Format != "" {
			a := &Alias{Name: name, Doc: docOf(lead("string"), t.Description), Type: &Type{Kind: String, Go: b.format(t), Limits: limitsOf(t)}}
			a.Doc = a.Doc.with(limitsDoc(a.Type))
			pl.add(a)
			return
		}
		s := stringsOf(b.constants(pl, t, name), "["+name+"]", len(t.Enum) > 0)
		s.Name, s.Doc = name, docOf(lead("string"), t.Description).with(limitsDoc(&Type{Kind: String, Limits: limitsOf(t)}))
		pl.add(s)
	default:
		pl.take(name, at, "")
		a := &Alias{Name: name}
		pl.add(a)
		a.Type = b.typeOf(pl, id, def.Type, spot{name: name, of: "[" + name + "]"})
		a.Doc = docOf(lead(kinds[a.Type.Kind]), def.Type.Doc()).with(limitsDoc(a.Type))
	}
}

// finish checks the whole and sorts it.
func (b *builder) finish() (*Program, error) {
	prog := &Program{}
	for _, pc := range b.cfg.sorted() {
		p := b.packages[pc.Path]
		if p == nil {
			continue
		}
		if len(p.Files) == 0 {
			b.warnings = append(b.warnings, fmt.Sprintf("config: nothing is generated into package %s; its folder is left as it is", p.Name))
			continue
		}
		for _, e := range p.errors {
			b.declaredError(p, e)
		}
		clashes := []*scope{p.scope, p.client}
		for _, g := range p.groups {
			clashes = append(clashes, g.scope)
		}
		for _, s := range clashes {
			b.clashes(s)
		}
		for _, g := range p.groups {
			p.Groups = append(p.Groups, g.Group)
		}
		slices.SortFunc(p.Groups, func(a, b *Group) int { return cmp.Compare(a.Field, b.Field) })
		slices.SortFunc(p.Files, func(a, b *File) int { return cmp.Compare(a.Name, b.Name) })
		slices.SortFunc(p.Endpoints, func(a, b *Method) int { return cmp.Compare(a.Endpoint, b.Endpoint) })
		slices.SortFunc(p.Errors, func(a, b Error) int { return cmp.Compare(a.Name, b.Name) })
		slices.SortFunc(p.Records, func(a, b Record) int { return cmp.Compare(a.NSID, b.NSID) })
		p.Docs = docsOf(p.Package)
		p.TypeParameter = "T"
		for p.scope.has(p.TypeParameter) {
			p.TypeParameter = next(p.TypeParameter)
		}
		prog.Packages = append(prog.Packages, p.Package)
	}
	for key := range b.cfg.Rename {
		if !b.renamed[key] {
			b.fail(fmt.Errorf("config: rename: nothing is called %q", key))
		}
	}
	b.fail(cycles(prog))
	if len(b.errs) > 0 {
		b.propose()
		slices.SortFunc(b.errs, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
		return nil, errors.Join(slices.CompactFunc(b.errs, func(a, b error) bool { return a.Error() == b.Error() })...)
	}
	prog.Warnings = b.warnings
	return prog, nil
}

func (b *builder) declaredError(p *pkg, e *declared) {
	key := "error " + e.name
	name := b.rename(key, "Err"+camel(e.name))
	slices.SortFunc(e.by, func(a, b declaring) int { return cmp.Compare(a.nsid, b.nsid) })
	nsids, methods := e.by[0].nsid, e.by[0].name
	switch n := len(e.by); {
	case n == 2:
		nsids += " and " + e.by[1].nsid
		methods += " and " + e.by[1].name
	case n > 2:
		others := fmt.Sprintf(" and %d others", n-1)
		nsids += others
		methods += others
	}
	p.scope.take(name, fmt.Sprintf("error %q of %s", clean(e.name), nsids), key, name)
	p.Errors = append(p.Errors, Error{Name: name, Value: e.name, NSID: syntax.NSID(e.by[0].nsid), Doc: docOf(name+" is an error of "+methods, e.description)})
}

// formats are the string formats and their kinds of string.
var formats = map[string]string{
	"at-identifier": "AtIdentifier", "at-uri": "ATURI", "cid": "CID", "datetime": "Datetime", "did": "DID",
	"handle": "Handle", "language": "Language", "nsid": "NSID", "record-key": "RecordKey", "tid": "TID", "uri": "URI",
}

const syntaxPath = "github.com/gimucco/atproto-go/xrpc/syntax"

// format is the Go type of a string's format, zero for a plain string.
func (b *builder) format(t *schema.String) Name {
	if t.Format == "" {
		return Name{}
	}
	name, ok := formats[t.Format]
	if !ok {
		b.warn(t.Pos, "format %q is not known; it becomes a plain string", t.Format)
		return Name{}
	}
	return Name{Path: syntaxPath, Name: name}
}

// constants plans the values of a string, each a constant beginning with prefix.
func (b *builder) constants(pl *place, t *schema.String, prefix string) []Constant {
	var out []Constant
	used := make(map[string]bool)
	for _, v := range slices.Concat(t.Enum, t.KnownValues) {
		short := v
		if nsid, name, ok := strings.Cut(v, "#"); ok {
			if _, err := syntax.ParseNSID(nsid); err == nil {
				short = tokenName(nsid, name, pl.doc.ID)
			}
		}
		suffix := fmt.Sprintf("(value %s)", v)
		name := prefix + valueName(short)
		if used[name] { // the earlier value keeps its name
			name = prefix + spelledName(short)
		}
		used[name] = true
		name = b.rename(keyOf(t.Pos)+suffix, name)
		pl.take(name, t.Pos, suffix)
		out = append(out, Constant{Name: name, Value: v, Doc: b.tokenDoc(pl, v)})
	}
	return out
}

// tokenName shortens a token: to its own name in the document that has it, elsewhere
// to its NSID without the first two segments, which say whose it is.
func tokenName(nsid, name string, in syntax.NSID) string {
	if nsid == string(in) {
		return name
	}
	segments := strings.Split(nsid, ".")
	return strings.Join(segments[2:], "-") + "-" + name
}

// cycles finds packages that would import each other.
func cycles(prog *Program) error {
	imports := make(map[string][]string)
	for _, p := range prog.Packages {
		imports[p.Path] = p.imports()
	}
	for _, p := range prog.Packages {
		var path []string
		var visit func(string) bool
		seen := make(map[string]bool)
		visit = func(at string) bool {
			path = append(path, at)
			for _, to := range imports[at] {
				if to == p.Path {
					return true
				}
				if !seen[to] {
					seen[to] = true
					if visit(to) {
						return true
					}
				}
			}
			path = path[:len(path)-1]
			return false
		}
		if visit(p.Path) {
			return fmt.Errorf("config: packages import each other: %s → %s; merge them into one by giving it all their prefixes", strings.Join(path, " → "), p.Path)
		}
	}
	return nil
}

// imports lists the import paths that a package's declarations mention.
func (p *Package) imports() []string {
	seen := make(map[string]bool)
	var ofType func(*Type)
	ofType = func(t *Type) {
		if t == nil {
			return
		}
		if t.Go.Path != "" && t.Go.Path != p.Path {
			seen[t.Go.Path] = true
		}
		// The elements of a named array are the other package's affair, but naming
		// them in a codec is ours.
		ofType(t.Elem)
	}
	for _, f := range p.Files {
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *Struct:
				for _, f := range d.Fields {
					ofType(f.Type)
				}
			case *Params:
				for _, f := range d.Fields {
					ofType(f.Type)
				}
			case *Alias:
				ofType(d.Type)
			case *Union:
				for _, m := range d.Members {
					if m.Go.Path != p.Path {
						seen[m.Go.Path] = true
					}
				}
			case *Method:
				ofType(d.Input)
				ofType(d.Message)
				ofType(d.Output)
			}
		}
	}
	var out []string
	for path := range seen {
		out = append(out, path)
	}
	slices.Sort(out)
	return out
}

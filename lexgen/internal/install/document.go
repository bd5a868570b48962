package install

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gimucco/atproto-go/lexgen/internal/schema"
	"github.com/gimucco/atproto-go/repo"
	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// collection is where repositories have lexicons.
const collection = syntax.NSID("com.atproto.lexicon.schema")

// maxLexicon is the largest lexicon, in bytes of its record or its file. Servers take records of 1 MiB.
const maxLexicon = 1 << 20

// A lexicon is one that is to be installed.
type lexicon struct {
	nsid syntax.NSID
	text []byte // of its file
	cid  syntax.CID
	refs []syntax.NSID // lexicons that it needs, sorted
	uri  syntax.ATURI  // "" if it came from a source
	from string        // the source, else ""

	warnings []string
	broken   error // of a file that cannot be read as this lexicon; it has no CID then
}

// origin is where a lexicon came from.
func (l *lexicon) origin() string {
	if l.from != "" {
		return l.from
	}
	return string(l.uri)
}

// ofRecord makes a lexicon of its record.
func ofRecord(nsid syntax.NSID, uri syntax.ATURI, record *repo.Record) (*lexicon, error) {
	var value lex.Any
	if err := lex.UnmarshalCBOR(record.CBOR, &value); err != nil {
		return nil, err
	}
	var head struct {
		Type string `json:"$type"`
	}
	if err := json.Unmarshal(value.JSON(), &head); err != nil || head.Type != string(collection) {
		return nil, fmt.Errorf("the record is no lexicon: its $type is %.100q and not %q", head.Type, collection)
	}
	var text bytes.Buffer
	if err := json.Indent(&text, value.JSON(), "", "  "); err != nil {
		return nil, err
	}
	text.WriteByte('\n')
	l, err := ofText(string(uri), nsid, text.Bytes())
	if err != nil {
		return nil, err
	}
	// What is written has to be what was signed. The decoder refuses what JSON would say otherwise; this holds it to that.
	if l.cid != record.CID {
		return nil, fmt.Errorf("the record cannot be written as JSON without loss: its CID is %s, and that of the JSON %s", record.CID, l.cid)
	}
	l.uri = uri
	return l, nil
}

// ofText makes a lexicon of the text of a file.
func ofText(name string, nsid syntax.NSID, text []byte) (*lexicon, error) {
	cid, err := cidOf(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	doc, err := schema.Parse(name, text)
	if err != nil {
		return nil, err
	}
	if doc.ID != nsid {
		return nil, fmt.Errorf("%s: it says that it is %s, and was asked for as %s", name, doc.ID, nsid)
	}
	l := &lexicon{nsid: nsid, text: text, cid: cid}
	for _, w := range doc.Warnings {
		l.warnings = append(l.warnings, w.Error())
	}
	for _, f := range doc.Faults {
		l.warnings = append(l.warnings, f.Err.Error()+"; lexgen generate leaves it out")
	}
	l.refs = references(doc)
	return l, nil
}

// cidOf is the CID of a record with the same contents as a file.
func cidOf(text []byte) (syntax.CID, error) {
	value, err := lex.AnyJSON(bytes.TrimPrefix(text, []byte("\uFEFF")))
	if err != nil {
		return "", err
	}
	return lex.CID(&value)
}

// references are the lexicons that one needs: what it refers to, tokens among known values, and what the permissions
// of a set name.
func references(doc *schema.Document) []syntax.NSID {
	var out []syntax.NSID
	add := func(nsid string) {
		if id, err := syntax.ParseNSID(nsid); err == nil && id != doc.ID {
			out = append(out, id)
		}
	}
	for _, def := range doc.Defs {
		for ref := range schema.References(def.Type) {
			nsid, _, _ := strings.Cut(ref, "#")
			add(nsid)
		}
		for t := range schema.All(def.Type) {
			switch t := t.(type) {
			case *schema.String:
				for _, value := range t.KnownValues {
					if nsid, name, _ := strings.Cut(value, "#"); name != "" {
						add(nsid)
					}
				}
			case *schema.PermissionSet:
				for _, nsid := range t.NSIDs {
					add(nsid)
				}
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// fileOf is where the file of a lexicon is, below the folder of all.
func fileOf(folder string, nsid syntax.NSID) (string, error) {
	name := filepath.Join(nsid.Segments()...) + ".json"
	if err := nsid.Validate(); err != nil {
		return "", err
	}
	if !filepath.IsLocal(name) {
		return "", fmt.Errorf("%s cannot be the name of a file here", nsid)
	}
	return filepath.Join(folder, name), nil
}

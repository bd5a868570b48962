package plan

import "strings"

// docsOf writes the comments of a package that is complete.
func docsOf(p *Package) PackageDocs {
	prefixes := strings.Join(p.Prefixes, ", ")
	what := "the records and objects"
	if p.HasMethods() {
		what = "the methods, records and objects"
	}
	docs := PackageDocs{
		Package: Doc{
			"Package " + p.Name + " has " + what + " of " + prefixes + ".",
			"Pointers and nil slices are optional fields; what a lexicon does not have is kept in Extra, so that reading, changing and writing a value loses nothing. The comments are the lexicons' own; where they say nothing of a field, its name in JSON stands for it.",
		},
		Client:    Doc{"A Client calls the methods of " + prefixes + ". Make it with NewClient; it is safe for concurrent use."},
		NewClient: Doc{"NewClient returns a client that makes its calls on doer: an *oauth.Session, or an *xrpc.Client for calls without an account. The options are defaults of all calls."},
		Errors:    Doc{"The errors that methods of this package declare, for errors.Is."},
		Records:   Doc{"Records is the lex.RecordSet of " + prefixes + ": it returns a new record of the collection, nil if the package does not have it."},
	}
	if g, m := example(p); m != nil {
		docs.Example = []string{"api := " + p.Name + ".NewClient(session)", "out, err := api." + g.Field + "." + m.Name + "(ctx)"}
	}
	return docs
}

// HasMethods reports whether the package has a client.
func (p *Package) HasMethods() bool { return len(p.Groups) > 0 || len(p.Methods) > 0 }

// example picks a method that shows how a call looks, nil if there is none.
func example(p *Package) (*Group, *Method) {
	if len(p.Groups) == 0 {
		return nil, nil
	}
	g := p.Groups[0]
	for _, o := range p.Groups {
		if o.Field == "Server" || exampleOf(g) == nil {
			g = o
		}
	}
	return g, exampleOf(g)
}

// exampleOf picks the method of a service that shows best how a call looks: one without parameters.
func exampleOf(g *Group) *Method {
	var best *Method
	for _, m := range g.Methods {
		if m.Query && m.Params == nil && m.Output != nil && (best == nil || strings.HasPrefix(m.Name, "Get") && !strings.HasPrefix(best.Name, "Get")) {
			best = m
		}
	}
	return best
}

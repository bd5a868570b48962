package plan

import "github.com/gimucco/atproto-go/lexgen/internal/schema"

// endpoint plans the value of a method, for those who serve it. It has the name that a type of the definition would
// have.
func (b *builder) endpoint(pl *place, m *Method, at schema.Pos, base string) {
	const suffix = "(endpoint)"
	m.Endpoint = b.rename(keyOf(at)+suffix, base)
	pl.take(m.Endpoint, at, suffix)
	m.EndpointDoc = Doc{m.Endpoint + " is " + m.NSID + " for those who serve it, by service.Handle."}
	pl.pkg.Endpoints = append(pl.pkg.Endpoints, m)
}

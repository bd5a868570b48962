package resolve

import (
	"iter"

	"github.com/gimucco/atproto-go/lexgen/schema"
)

// Refs are the references in a schema, as written.
func Refs(t schema.Type) iter.Seq[string] {
	return func(yield func(string) bool) { refs(t, yield) }
}

// refs reports whether to go on.
func refs(t schema.Type, yield func(string) bool) bool {
	properties := func(list []schema.Property) bool {
		for _, p := range list {
			if !refs(p.Type, yield) {
				return false
			}
		}
		return true
	}
	params := func(p *schema.Params) bool { return p == nil || properties(p.Properties) }
	body := func(b *schema.Body) bool { return b == nil || b.Schema == nil || refs(b.Schema, yield) }
	switch t := t.(type) {
	case *schema.Record:
		return refs(t.Object, yield)
	case *schema.Object:
		return properties(t.Properties)
	case *schema.Array:
		return refs(t.Items, yield)
	case *schema.Method:
		return params(t.Parameters) && body(t.Input) && body(t.Output)
	case *schema.Subscription:
		return params(t.Parameters) && (t.Message == nil || refs(t.Message, yield))
	case *schema.Ref:
		return yield(t.Ref)
	case *schema.Union:
		for _, ref := range t.Refs {
			if !yield(ref) {
				return false
			}
		}
	}
	return true
}

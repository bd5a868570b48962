package schema

import "iter"

// Children yields where the schemas stand that a schema is made of, one level down: elements, properties, parameters,
// bodies, messages. A record's are those of its object. What stands there may be replaced. References are not followed.
func Children(t Type) iter.Seq[*Type] {
	return func(yield func(*Type) bool) {
		properties := func(list []Property) bool {
			for i := range list {
				if !yield(&list[i].Type) {
					return false
				}
			}
			return true
		}
		params := func(p *Params) bool { return p == nil || properties(p.Properties) }
		one := func(t *Type) bool { return *t == nil || yield(t) }
		body := func(b *Body) bool { return b == nil || one(&b.Schema) }
		switch t := t.(type) {
		case *Record:
			properties(t.Object.Properties)
		case *Object:
			properties(t.Properties)
		case *Array:
			one(&t.Items)
		case *Method:
			_ = params(t.Parameters) && body(t.Input) && body(t.Output)
		case *Subscription:
			_ = params(t.Parameters) && one(&t.Message)
		}
	}
}

// All yields a schema and, before their own, all that it is made of.
func All(t Type) iter.Seq[Type] {
	return func(yield func(Type) bool) { all(t, yield) }
}

// all reports whether to go on.
func all(t Type, yield func(Type) bool) bool {
	if !yield(t) {
		return false
	}
	for child := range Children(t) {
		if !all(*child, yield) {
			return false
		}
	}
	return true
}

// References yields the references in a schema, as written.
func References(t Type) iter.Seq[string] {
	return func(yield func(string) bool) {
		for t := range All(t) {
			switch t := t.(type) {
			case *Ref:
				if !yield(t.Ref) {
					return
				}
			case *Union:
				for _, ref := range t.Refs {
					if !yield(ref) {
						return
					}
				}
			}
		}
	}
}

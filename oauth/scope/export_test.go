package scope

import "github.com/gimucco/atproto-go/xrpc/syntax"

// DecidedMethods returns the methods of the table behind ForMethod, in its order.
func DecidedMethods() []syntax.NSID {
	var methods []syntax.NSID
	for _, n := range methodNeeds {
		methods = append(methods, n.method)
	}
	return methods
}

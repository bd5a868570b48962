package xrpc

import (
	"strings"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Labeler is a service whose labels a call asks for.
type Labeler struct {
	DID    syntax.DID // the labeler's account
	Redact bool       // takedowns by this labeler hide the content completely
}

// FormatLabelers returns labelers in the form of the header fields atproto-accept-labelers and
// atproto-content-labelers. It merges labelers that come twice.
func FormatLabelers(labelers []Labeler) string {
	redact := make(map[syntax.DID]bool)
	var order []syntax.DID
	for _, l := range labelers {
		if _, ok := redact[l.DID]; !ok {
			order = append(order, l.DID)
		}
		redact[l.DID] = redact[l.DID] || l.Redact
	}
	parts := make([]string, len(order))
	for i, did := range order {
		parts[i] = string(did)
		if redact[did] {
			parts[i] += ";redact"
		}
	}
	return strings.Join(parts, ", ")
}

// ParseLabelers parses the output of FormatLabelers, from all values of the header field. It leaves
// out what is not a DID.
func ParseLabelers(values []string) []Labeler {
	var all []Labeler
	for item := range strings.SplitSeq(strings.Join(values, ","), ",") {
		did, params, _ := strings.Cut(strings.TrimSpace(item), ";")
		l := Labeler{DID: syntax.DID(did)}
		if l.DID.Validate() != nil {
			continue
		}
		for param := range strings.SplitSeq(params, ";") {
			l.Redact = l.Redact || strings.TrimSpace(param) == "redact"
		}
		all = append(all, l)
	}
	return all
}

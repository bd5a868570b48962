package labels_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/labels"
)

// A forwarded label, from a labeler whose document is known.
func ExampleVerifier_Verify() {
	verifier := &labels.Verifier{Resolver: identity.NewStatic(identity.Identity{DID: "did:plc:labeler"})}
	label := &comatproto.LabelDefsLabel{Src: "did:plc:labeler", URI: "did:plc:someone", Val: "spam", Cts: "2026-01-01T00:00:00Z"}

	err := verifier.Verify(context.Background(), label)
	fmt.Println(err)
	fmt.Println(errors.Is(err, labels.ErrUnsigned))
	// Output:
	// labels: of "did:plc:labeler": no signature
	// true
}

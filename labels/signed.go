package labels

import (
	"fmt"

	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/xrpc/lex"
)

// version is the version of labels that this package knows.
const version = 1

// signedForms returns the bytes that may have been signed: the label as it came, without its
// signature, and other forms with the same meaning. Whoever forwards a label may add or remove a
// "neg" that is false. Some labelers sign with it and some without it, and some leave out the
// version. A label that negates has no other forms.
func signedForms(label *comatproto.LabelDefsLabel) ([][]byte, error) {
	own := *label
	own.Sig = nil
	own.Extra.Delete("$type") // servers add it to labels in JSON
	forms := []comatproto.LabelDefsLabel{own}
	own.Ver = new(int64(version))
	forms = append(forms, own)
	if own.Neg == nil || !*own.Neg {
		own.Neg = nil
		forms = append(forms, own)
		own.Neg = new(false)
		forms = append(forms, own)
	}
	encoded := make([][]byte, len(forms))
	for i := range forms {
		b, err := lex.MarshalCBOR(&forms[i])
		if err != nil {
			return nil, fmt.Errorf("the signed form cannot be encoded: %w", err)
		}
		encoded[i] = b
	}
	return encoded, nil
}

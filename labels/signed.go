package labels

import (
	"fmt"

	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/xrpc/lex"
)

// version of labels that is known here.
const version = 1

// signedForms are the bytes that may have been signed: the label as it came, without its signature, and what means
// the same. Who passes a label on drops a "neg" that is false, or writes it; there are labelers that sign the one
// and those that sign the other, and some leave out the version. A label that negates is never another's form.
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
			return nil, fmt.Errorf("what was signed cannot be written: %w", err)
		}
		encoded[i] = b
	}
	return encoded, nil
}

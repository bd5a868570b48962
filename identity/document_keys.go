package identity

import "fmt"

// PublicKey returns the key with the given id, "atproto" or "atproto_label". The id is given
// without the number sign; documents may write it as "#atproto" or with the DID in front. The
// first one that the account itself controls is meant: if that cannot be read, no other is
// looked for. It fails with ErrNoKey.
func (d *Document) PublicKey(id string) (*PublicKey, error) {
	for _, m := range d.VerificationMethods {
		if !d.isID(m.ID, id) || m.Controller != string(d.ID) {
			continue
		}
		key, err := m.parse()
		if err != nil {
			return nil, failure(string(d.ID), ErrNoKey, "%.80q: %w: %w", m.ID, ErrInvalidKey, err)
		}
		return key, nil
	}
	return nil, failure(string(d.ID), ErrNoKey, "none has the id %.80q and is controlled by the account", "#"+id)
}

// SigningKey returns the key that signs the account's repository and its tokens for services:
// PublicKey of "atproto".
func (d *Document) SigningKey() (*PublicKey, error) { return d.PublicKey("atproto") }

// parse reads the key in the forms that documents have had.
func (m VerificationMethod) parse() (*PublicKey, error) {
	switch m.Type {
	case "Multikey":
		return parseMultikey(m.PublicKeyMultibase)
	case "EcdsaSecp256r1VerificationKey2019":
		return parsePoint(m.PublicKeyMultibase, parseP256)
	case "EcdsaSecp256k1VerificationKey2019":
		return parsePoint(m.PublicKeyMultibase, parseK256)
	}
	return nil, fmt.Errorf("the type %.80q is none that atproto has; it should be Multikey", m.Type)
}

// parsePoint reads the form of documents before Multikey, whose type names the curve: a point
// with no multicodec before it, written in full. Some hold a compressed one.
func parsePoint(text string, parse func(point []byte) (*PublicKey, error)) (*PublicKey, error) {
	point, err := decodeMultibase(text)
	if err != nil {
		return nil, err
	}
	return parse(point)
}

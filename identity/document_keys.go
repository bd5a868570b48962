package identity

import "fmt"

// PublicKey returns the key with this id, "atproto" or "atproto_label". Write the id without the
// number sign; documents may write "#atproto", or the DID in front of that. PublicKey uses the
// first such key that the account itself controls. If that key cannot be read, it does not look for
// another. It fails with ErrNoKey.
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
	return nil, failure(string(d.ID), ErrNoKey, "no key has the id %.80q and is controlled by the account", "#"+id)
}

// SigningKey returns the key that signs the account's repository and its tokens for services. It is
// PublicKey("atproto").
func (d *Document) SigningKey() (*PublicKey, error) { return d.PublicKey("atproto") }

// parse reads the key in the forms that documents use.
func (m VerificationMethod) parse() (*PublicKey, error) {
	switch m.Type {
	case "Multikey":
		return parseMultikey(m.PublicKeyMultibase)
	case "EcdsaSecp256r1VerificationKey2019":
		return parsePoint(m.PublicKeyMultibase, parseP256)
	case "EcdsaSecp256k1VerificationKey2019":
		return parsePoint(m.PublicKeyMultibase, parseK256)
	}
	return nil, fmt.Errorf("atproto does not use the type %.80q; it should be Multikey", m.Type)
}

// parsePoint reads the form from before Multikey, whose type names the curve: a point in full,
// without a multicodec in front. Some documents contain a compressed point.
func parsePoint(text string, parse func(point []byte) (*PublicKey, error)) (*PublicKey, error) {
	point, err := decodeMultibase(text)
	if err != nil {
		return nil, err
	}
	return parse(point)
}

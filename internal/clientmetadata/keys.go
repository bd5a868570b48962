package clientmetadata

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

func (d *Document) checkKeySetURI(p *problems) {
	const field = "jwks_uri"
	if d.KeySetURI == "" {
		return
	}
	_, err := parseLink(d.KeySetURI)
	p.check(field, err)
}

func (d *Document) checkKeySet(p *problems) {
	const field = "jwks"
	switch {
	case d.KeySet != nil && d.KeySetURI != "":
		p.add(field, "and jwks_uri are both there: one or the other")
	case d.KeySet == nil && d.KeySetURI == "" && d.Confidential():
		p.add(field, "and jwks_uri are both missing: private_key_jwt needs one of them")
	}
	if d.KeySet == nil {
		return
	}
	*p = append(*p, below(field, checkKeys(d.KeySet))...)
}

// below moves problems of a value to the field that contains it.
func below(field string, list []Problem) []Problem {
	for i, problem := range list {
		switch {
		case problem.Field == "":
			list[i].Field = field
		case strings.HasPrefix(problem.Field, "["):
			list[i].Field = field + problem.Field
		default:
			list[i].Field = field + "." + problem.Field
		}
	}
	return list
}

// keyMembers are members of a key that nothing here needs. Servers ignore a key in which one of
// them has the wrong type.
var keyMembers = []struct {
	name string
	kind kind
}{
	{"x5c", texts}, {"x5t", notEmpty}, {"x5t#S256", notEmpty}, {"x5u", link}, {"ext", trueFalse},
	{"iat", whole}, {"exp", whole}, {"nbf", whole}, {"revoked", revocation},
}

// CheckKeySet checks a JWK set (RFC 7517 §5) as the keys of a confidential client. Each key must be
// public, have a kid of its own, and be ECDSA on P-256, which ES256 needs. Keys for other uses than
// signatures are ignored. The Field of a problem begins with "keys", or is "" if data is not such a
// set. Private keys come first, and are found even if data is not a set.
func CheckKeySet(data []byte) []Problem {
	return concealed(append(privateKeys(data, true), checkKeys(data)...))
}

// checkKeys makes the checks of CheckKeySet, except for private keys.
func checkKeys(data []byte) []Problem {
	var p problems
	// Decoded into maps, because a struct would accept "KEYS" for "keys".
	var set map[string]json.RawMessage
	var keys []map[string]json.RawMessage
	if json.Unmarshal(data, &set) != nil || json.Unmarshal(set["keys"], &keys) != nil || keys == nil {
		return []Problem{{Rule: "is not an object with a list of keys"}}
	}
	var ids []string
	signing := 0
	for i, members := range keys {
		field := fmt.Sprintf("keys[%d]", i)
		text := func(name string) (s string) {
			json.Unmarshal(members[name], &s) // another type counts as missing
			return s
		}
		if use := text("use"); use != "" && use != "sig" {
			continue
		}
		for _, name := range []string{"use", "alg"} {
			if raw, ok := members[name]; ok && !notEmpty.is(raw) {
				p.add(field+"."+name, "is not %s", notEmpty.what)
			}
		}
		for _, member := range keyMembers {
			if raw, ok := members[member.name]; ok && !member.kind.is(raw) {
				p.add(field+"."+member.name, "is not %s", member.kind.what)
			}
		}
		signing++
		id := text("kid")
		switch {
		case id == "":
			p.add(field+".kid", "is missing: assertions name their key by it")
		case slices.Contains(ids, id):
			p.add(field+".kid", "is %q, as of another key", id)
		}
		ids = append(ids, id)
		switch {
		case text("kty") != "EC" || text("crv") != "P-256":
			p.add(field, "is not an ECDSA key on P-256, as ES256 needs")
		case !onCurve(text("x"), text("y")):
			p.add(field, "is not a point on P-256: x and y are its coordinates, base64url of 32 bytes each")
		}
		if alg := text("alg"); alg != "" && alg != AuthAlgorithm {
			p.add(field+".alg", "is %q, not ES256", alg)
		}
		if operations, ok := members["key_ops"]; ok && !same(operations, `["verify"]`) {
			p.add(field+".key_ops", `is %s: servers pass over a public key that is for more than "verify"`, operations)
		}
	}
	if signing == 0 {
		p.add("keys", "has no key to verify signatures by")
	}
	return p
}

func onCurve(x, y string) bool {
	point := []byte{4} // uncompressed, SEC 1 §2.3.3
	for _, coordinate := range []string{x, y} {
		b, err := base64.RawURLEncoding.DecodeString(coordinate)
		if err != nil || len(b) != 32 {
			return false
		}
		point = append(point, b...)
	}
	_, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	return err == nil
}

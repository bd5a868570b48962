package clientmetadata

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
)

// privateMembers are the members of a JWK that hold a private or shared key
// (RFC 7518 §6.2.2, §6.3.2, §6.4; RFC 8037 §2).
var privateMembers = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

func (d *Document) checkKeySetURI(p *problems) {
	const field = "jwks_uri"
	if d.KeySetURI == "" {
		return
	}
	u, err := parseLink(d.KeySetURI)
	if err != nil {
		p.check(field, err)
	} else if !publicHost(u.Hostname()) {
		p.add(field, "%q does not name a public host", d.KeySetURI)
	}
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
	for _, problem := range CheckKeySet(d.KeySet) {
		if problem.Field == "" {
			problem.Field = field
		} else {
			problem.Field = field + "." + problem.Field
		}
		*p = append(*p, problem)
	}
}

// CheckKeySet checks a JWK set (RFC 7517 §5) as the keys of a confidential client: each
// of them public, with a kid of its own, and ECDSA on P-256, which is what ES256 takes.
// Keys for other uses than signatures are passed over. The Field of a problem begins with
// "keys", and is "" if data is no such set.
func CheckKeySet(data []byte) []Problem {
	var p problems
	var set struct {
		Keys []map[string]json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(data, &set); err != nil || set.Keys == nil {
		return []Problem{{Rule: "is not an object with a list of keys"}}
	}
	var ids []string
	signing := 0
	for i, members := range set.Keys {
		field := fmt.Sprintf("keys[%d]", i)
		for _, name := range privateMembers {
			if _, ok := members[name]; ok {
				p = append(p, Problem{Field: field + "." + name, Secret: true, Rule: "publishes the PRIVATE key: whoever has read it " +
					"can act as this client. Make a new key at once, and publish only the public half of that"})
				break
			}
		}
		text := func(name string) (s string) {
			json.Unmarshal(members[name], &s) // another type is as good as none
			return s
		}
		if use := text("use"); use != "" && use != "sig" {
			continue
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
		if operations, ok := members["key_ops"]; ok && string(operations) != `["verify"]` {
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

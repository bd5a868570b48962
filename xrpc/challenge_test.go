package xrpc

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseChallenges(t *testing.T) { // X16
	type p = map[string]string
	for _, tt := range []struct {
		name   string
		fields []string
		want   []Challenge
	}{
		{"none", nil, nil},
		{"scheme alone", []string{"Negotiate"}, []Challenge{{Scheme: "Negotiate", Params: p{}}}},
		{"token68", []string{"Negotiate YWJj/+=="}, []Challenge{{Scheme: "Negotiate", Token: "YWJj/+==", Params: p{}}}},
		{"X16 the example of RFC 9110", []string{`Basic realm="simple", Newauth realm="apps", type=1, title="Login to \"apps\""`},
			[]Challenge{{Scheme: "Basic", Params: p{"realm": "simple"}}, {Scheme: "Newauth", Params: p{"realm": "apps", "type": "1", "title": `Login to "apps"`}}}},
		{"two fields", []string{`DPoP error="use_dpop_nonce", algs="ES256 ES256K"`, `Bearer`},
			[]Challenge{{Scheme: "DPoP", Params: p{"error": "use_dpop_nonce", "algs": "ES256 ES256K"}}, {Scheme: "Bearer", Params: p{}}}},
		{"spaces and empty elements", []string{` , DPoP  error = "x" ,, algs=ES256 ,`}, []Challenge{{Scheme: "DPoP", Params: p{"error": "x", "algs": "ES256"}}}},
		{"names in upper case", []string{`DPoP ERROR="x"`}, []Challenge{{Scheme: "DPoP", Params: p{"error": "x"}}}},
		{"X16 a string that does not end", []string{`DPoP error="x`}, []Challenge{{Scheme: "DPoP", Params: p{}}}},
		{"junk", []string{`"`, `=`, `DPoP error=;`}, []Challenge{{Scheme: "DPoP", Params: p{}}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, ParseChallenges(http.Header{"Www-Authenticate": tt.fields})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzParseChallenges(f *testing.F) {
	for _, s := range []string{`Basic realm="a"`, `DPoP error="use_dpop_nonce", algs="ES256"`, `A b==, C d="\`, `,,=`, "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, c := range ParseChallenges(http.Header{"Www-Authenticate": {s}}) {
			if c.Scheme == "" || c.Params == nil {
				t.Errorf("%q: %#v", s, c)
			}
		}
	})
}

func FuzzErrorBody(f *testing.F) { // X13
	for _, s := range []string{``, `{}`, `[]`, `{"error":5}`, `{"error":"A","message":null}`, `<html>`} {
		f.Add([]byte(s), 400)
	}
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		e := newError("com.example.get", ResponseInfo{Status: status}, body)
		if e.Name == "" || e.Error() == "" {
			t.Errorf("%q: %#v", body, e)
		}
	})
}

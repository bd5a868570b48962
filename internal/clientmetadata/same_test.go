package clientmetadata

import "testing"

func TestSameClient(t *testing.T) {
	local := func(scope string, uris ...string) string { return LocalhostClientID(uris, scope) }
	exact := local("atproto", "http://127.0.0.1:4001/cb", "http://127.0.0.1/cb")
	for name, tt := range map[string]struct {
		a, b string
		want bool
	}{
		"a published client":              {"https://a.example/c.json", "https://a.example/c.json", true},
		"two published clients":           {"https://a.example/c.json", "https://a.example/d.json", false},
		"ports of published clients":      {"https://a.example:1/c.json", "https://a.example:2/c.json", false},
		"another port":                    {exact, local("atproto", "http://127.0.0.1:4002/cb", "http://127.0.0.1/cb"), true},
		"no port":                         {exact, local("atproto", "http://127.0.0.1/cb"), true},
		"another order":                   {exact, local("atproto", "http://127.0.0.1/cb", "http://127.0.0.1:9/cb"), true},
		"another spelling":                {exact, "http://localhost/?redirect_uri=http://127.0.0.1:7/cb&scope=atproto", true},
		"another path":                    {exact, local("atproto", "http://127.0.0.1:4001/other"), false},
		"another host":                    {exact, local("atproto", "http://[::1]:4001/cb"), false},
		"a path more":                     {exact, local("atproto", "http://127.0.0.1/cb", "http://127.0.0.1/other"), false},
		"another scope":                   {exact, local("atproto transition:generic", "http://127.0.0.1:4001/cb"), false},
		"the defaults":                    {"http://localhost", local("atproto", "http://127.0.0.1/", "http://[::1]/"), true},
		"what is no client, and the same": {"http://localhost:80", "http://localhost:80", true},
		"what is no client":               {"http://localhost:80", "http://localhost:81", false},
		"published and not":               {"https://a.example/c.json", exact, false},
	} {
		t.Run("P55 "+name, func(t *testing.T) {
			if SameClient(tt.a, tt.b) != tt.want || SameClient(tt.b, tt.a) != tt.want {
				t.Errorf("%s and %s", Canonical(tt.a), Canonical(tt.b))
			}
		})
	}
}

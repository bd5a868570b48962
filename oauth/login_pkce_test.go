package oauth

import "testing"

func TestCodeChallenge(t *testing.T) {
	t.Run("O49 is derived as in RFC 7636, appendix B", func(t *testing.T) {
		if got, want := challengeS256("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
	t.Run("O49 of verifiers that are new each time, and long enough", func(t *testing.T) {
		unique(t, 43, newVerifier)
	})
}

func TestRandomStrings(t *testing.T) {
	t.Run("O48 none of 10,000 comes twice", func(t *testing.T) {
		unique(t, 43, func() string { return randomString(32) })
	})
}

func unique(t *testing.T, length int, next func() string) {
	t.Helper()
	seen := map[string]bool{}
	for range 10_000 {
		s := next()
		if len(s) != length || seen[s] {
			t.Fatalf("%q has %d characters, or came before", s, len(s))
		}
		seen[s] = true
	}
}

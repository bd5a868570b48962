package oauth

import (
	"bytes"
	"crypto/rand"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/gimucco/atproto-go/oauth/seal"
	"github.com/gimucco/atproto-go/oauth/store"
)

func randomKey() []byte {
	key := make([]byte, 32)
	rand.Read(key)
	return key
}

func TestUnusableSealsAreRefused(t *testing.T) {
	for name, sealing := range map[string]*seal.Seal{
		"no key":             seal.Keys(),
		"a short key":        seal.Keys(make([]byte, 31)),
		"a short second key": seal.Keys(randomKey(), []byte("x")),
		"a short passphrase": seal.Passphrase("elevenbytes"),
		"a short other":      seal.Keys(randomKey()).AlsoOpening(seal.Passphrase("")),
		"the zero value":     new(seal.Seal),
	} {
		cfg := Localhost("http://127.0.0.1:8765/callback", "atproto")
		cfg.Store, cfg.Seal = new(store.Memory), sealing
		if _, err := NewClient(cfg); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), "Config.Seal") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPlaintextIsLogged(t *testing.T) {
	t.Run("O120 whoever asks for it is told in the log", func(t *testing.T) {
		for name, tt := range map[string]struct {
			seal *seal.Seal
			want string
		}{
			"written":  {seal.Plaintext(), "stored in plaintext"},
			"accepted": {seal.Keys(randomKey()).AlsoOpening(seal.Plaintext()), "plaintext are accepted"},
			"neither":  {seal.Keys(randomKey()), ""},
		} {
			var log bytes.Buffer
			cfg := Localhost("http://127.0.0.1:8765/callback", "atproto")
			cfg.Store, cfg.Seal, cfg.Logger = new(store.Memory), tt.seal, slog.New(slog.NewTextHandler(&log, nil))
			if _, err := NewClient(cfg); err != nil {
				t.Fatal(err)
			}
			if got := log.String(); !strings.Contains(got, tt.want) || tt.want == "" && got != "" {
				t.Errorf("%s: logged %q", name, got)
			}
		}
	})
}

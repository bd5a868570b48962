package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gimucco/atproto-go/internal/clientmetadata"
	"github.com/gimucco/atproto-go/oauth"
)

// A clientConfig is the config file of metadata.
type clientConfig struct {
	clientID     string
	redirectURIs []string
	scope        string
	info         oauth.ClientInfo
	keysURI      string
	keyPaths     []string // as in the file
}

// readConfig reads a config file. Errors name the file and the key.
func readConfig(name string) (*clientConfig, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return nil, fmt.Errorf("%s: is not a JSON object: %w", name, err)
	}
	var cfg clientConfig
	var one, several struct{ redirectURIs, keyPaths []string }
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		var err error
		raw := fields[key]
		switch key {
		case "client_id":
			cfg.clientID, err = text(raw)
		case "redirect_uri":
			one.redirectURIs, err = textOrTexts(raw)
		case "redirect_uris":
			several.redirectURIs, err = texts(raw)
		case "scope":
			cfg.scope, err = text(raw)
		case "client_name":
			cfg.info.Name, err = text(raw)
		case "client_uri":
			cfg.info.URI, err = text(raw)
		case "logo_uri":
			cfg.info.LogoURI, err = text(raw)
		case "tos_uri":
			cfg.info.TermsURI, err = text(raw)
		case "policy_uri":
			cfg.info.PolicyURI, err = text(raw)
		case "jwks_uri":
			cfg.keysURI, err = text(raw)
		case "private_key_path":
			one.keyPaths, err = textOrTexts(raw)
		case "private_key_paths":
			several.keyPaths, err = texts(raw)
		default:
			err = errors.New("is not a key of this file; see atproto metadata --help")
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", name, key, err)
		}
	}
	switch {
	case one.redirectURIs != nil && several.redirectURIs != nil:
		return nil, fmt.Errorf("%s: redirect_uri and redirect_uris are both there: one or the other", name)
	case one.keyPaths != nil && several.keyPaths != nil:
		return nil, fmt.Errorf("%s: private_key_path and private_key_paths are both there: one or the other", name)
	}
	cfg.redirectURIs = append(one.redirectURIs, several.redirectURIs...)
	cfg.keyPaths = append(one.keyPaths, several.keyPaths...)
	for _, required := range []struct {
		key     string
		missing bool
	}{{"client_id", cfg.clientID == ""}, {"redirect_uri", len(cfg.redirectURIs) == 0}, {"scope", cfg.scope == ""}} {
		if required.missing {
			return nil, fmt.Errorf("%s: %s: is missing", name, required.key)
		}
	}
	return &cfg, nil
}

func text(raw json.RawMessage) (string, error) {
	var s string
	if err := json.Unmarshal(raw, &s); err != nil || s == "" {
		return "", errors.New("is not a string, or empty")
	}
	return s, nil
}

func texts(raw json.RawMessage) ([]string, error) {
	var list []string
	if err := json.Unmarshal(raw, &list); err != nil || len(list) == 0 || slices.Contains(list, "") {
		return nil, errors.New("is not a list of strings, or empty")
	}
	return list, nil
}

func textOrTexts(raw json.RawMessage) ([]string, error) {
	if s, err := text(raw); err == nil {
		return []string{s}, nil
	}
	list, err := texts(raw)
	if err != nil {
		return nil, errors.New("is neither a string nor a list of strings, or empty")
	}
	return list, nil
}

// keys reads the key files, whose paths are relative to folder.
func (cfg *clientConfig) keys(folder string) ([]oauth.ClientKey, error) {
	var keys []oauth.ClientKey
	for _, path := range cfg.keyPaths {
		if !filepath.IsAbs(path) {
			path = filepath.Join(folder, path)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		parsed, err := oauth.ParseClientKeys(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, cause(err))
		}
		keys = append(keys, parsed...)
	}
	return keys, nil
}

// compile returns the documents that the client of a config file publishes. They are
// those that an oauth.Client with the same configuration serves.
func compile(name string) ([]document, error) {
	cfg, err := readConfig(name)
	if err != nil {
		return nil, err
	}
	if clientmetadata.IsLocalhost(cfg.clientID) {
		return nil, fmt.Errorf("%s: client_id: %q is not https; a development client on http://localhost publishes nothing", name, cfg.clientID)
	}
	if cfg.keysURI != "" && len(cfg.keyPaths) == 0 {
		return nil, fmt.Errorf("%s: jwks_uri: is there without private_key_path: a public client has no keys", name)
	}
	keys, err := cfg.keys(filepath.Dir(name))
	if err != nil {
		return nil, fmt.Errorf("%s: private_key_path: %w", name, err)
	}
	client, err := oauth.NewClient(oauth.Config{
		ClientID:      cfg.clientID,
		RedirectURIs:  cfg.redirectURIs,
		Scope:         cfg.scope,
		Info:          cfg.info,
		ClientKeys:    keys,
		ClientKeysURI: cfg.keysURI,
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %s", name, inConfigTerms(cause(err).Error()))
	}
	documents := []document{{"client-metadata.json", client.Metadata()}}
	if len(keys) > 0 {
		documents = append(documents, document{keySetFile, client.KeySet()})
	}
	return documents, nil
}

// cause is what an error of package oauth says, without where it comes from.
func cause(err error) error {
	if e, ok := errors.AsType[*oauth.Error](err); ok && e.Err != nil {
		return e.Err
	}
	return err
}

// configKeys say which key of the file a field of oauth.Config comes from.
var configKeys = []struct{ field, key string }{
	{"Config.ClientID", "client_id"},
	{"Config.RedirectURIs", "redirect_uris"},
	{"Config.Scope", "scope"},
	{"Config.ClientKeysURI", "jwks_uri"},
	{"Config.ClientKeys", "private_key_paths"},
	{"Config.Info.URI", "client_uri"},
	{"Config.Info.LogoURI", "logo_uri"},
	{"Config.Info.TermsURI", "tos_uri"},
	{"Config.Info.PolicyURI", "policy_uri"},
}

// inConfigTerms names the key of the file where message begins with a field.
func inConfigTerms(message string) string {
	for _, k := range configKeys {
		if rest, ok := strings.CutPrefix(message, k.field); ok {
			return k.key + rest
		}
	}
	return message
}

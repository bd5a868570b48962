package loopback

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/seal"
	"github.com/gimucco/atproto-go/oauth/store/filestore"
)

// defaultScope allows everything that an app password allows.
const defaultScope = "atproto transition:generic"

// openRedirectURI is the redirect URI of Open's client; each login uses another port.
const openRedirectURI = "http://127.0.0.1/callback"

// WithScope sets the scope for Open, instead of "atproto transition:generic". A stored session
// keeps the scope of its login; to get a larger scope, log in again.
func WithScope(scope string) Option { return func(s *settings) { s.scope = scope } }

// WithDir sets the folder in which Open keeps the sessions.
func WithDir(dir string) Option { return func(s *settings) { s.dir = dir } }

// WithConfig changes the Config of Open's client before the client is made. For example, it can set
// another store, or connect to a sandbox for tests:
//
//	loopback.WithConfig(server.Environment().Configure)
func WithConfig(change func(*oauth.Config)) Option {
	return func(s *settings) { s.configure = append(s.configure, change) }
}

// Open returns a session for a command-line program, in one call. It makes a development client
// (oauth.Localhost), keeps its sessions in files, and resumes a session or logs the person in, like
// ResumeOrLogin.
//
// The files are in a folder with the name program in the user's configuration folder
// (os.UserConfigDir), or in the folder of WithDir. They are encrypted with a key that is stored
// beside them (seal.KeyFile). That protects against somebody who gets a copy of the session files
// only, but not against somebody who can read the folder. For better protection, make a client with
// another Store and Seal, and call ResumeOrLogin.
//
// Servers end the sessions of such a client after two weeks. The next call then fails with
// oauth.ErrReauthRequired, and the next start of the program logs in again.
//
// Errors: those of the files, and those of ResumeOrLogin.
func Open(ctx context.Context, program, identifier string, opts ...Option) (*oauth.Session, error) {
	s := settingsOf(opts)
	config := oauth.Localhost(openRedirectURI, s.scope)
	if err := s.keepInFiles(&config, program); err != nil {
		return nil, fmt.Errorf("loopback: %w", err)
	}
	for _, change := range s.configure {
		change(&config)
	}
	client, err := oauth.NewClient(config)
	if err != nil {
		return nil, err
	}
	return ResumeOrLogin(ctx, client, identifier, opts...)
}

// keepInFiles makes a client keep its sessions in files.
func (s *settings) keepInFiles(config *oauth.Config, program string) error {
	dir := s.dir
	if dir == "" {
		if !filepath.IsLocal(program) || filepath.Base(program) != program || program == "." {
			return fmt.Errorf("%q cannot name a folder: give the program's name, such as \"my-bot\"", program)
		}
		folder, err := os.UserConfigDir()
		if err != nil {
			return fmt.Errorf("there is no folder for the sessions; set one with WithDir: %w", err)
		}
		dir = filepath.Join(folder, program)
	}
	key, err := seal.KeyFile(filepath.Join(dir, "seal.key"))
	if err != nil {
		return err
	}
	files, err := filestore.Open(filepath.Join(dir, "sessions"))
	if err != nil {
		return err
	}
	config.Store, config.Seal = files, seal.Keys(key)
	return nil
}

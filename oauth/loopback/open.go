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

// defaultScope is all that an app password may do.
const defaultScope = "atproto transition:generic"

// redirect is where Open's client has logins end; each login has a port of its own.
const redirect = "http://127.0.0.1/callback"

// WithScope says what Open may ask for, instead of "atproto transition:generic". A session that is in the store keeps
// the scope with which it began: with a wider one, log in again.
func WithScope(scope string) Option { return func(s *settings) { s.scope = scope } }

// WithDir says in which folder Open keeps the sessions.
func WithDir(dir string) Option { return func(s *settings) { s.dir = dir } }

// WithConfig changes Open's client before it is made. It can give it a store of its own, or a sandbox for tests:
//
//	loopback.WithConfig(server.Environment().Configure)
func WithConfig(change func(*oauth.Config)) Option {
	return func(s *settings) { s.configure = append(s.configure, change) }
}

// Open gives a command-line program its session in one call. It makes a client for development (oauth.Localhost), keeps
// its sessions in files, and resumes one or logs the person in, as ResumeOrLogin does.
//
// The files are in a folder that is named program in the user's folder for configuration (os.UserConfigDir), or in that
// of WithDir. They are sealed by a key that lies beside them (seal.KeyFile), which keeps them from whoever gets a copy of
// the sessions alone, and from nobody who can read the folder. A program that can do better makes the client itself, with
// another Store and Seal, and calls ResumeOrLogin.
//
// Servers end the sessions of such a client after two weeks. The first call then says oauth.ErrReauthRequired, and the
// next start of the program logs in again.
//
// Errors: those of the files; those of ResumeOrLogin.
func Open(ctx context.Context, program, identifier string, opts ...Option) (*oauth.Session, error) {
	s := settingsOf(opts)
	config := oauth.Localhost(redirect, s.scope)
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

// keepInFiles gives a client files to keep its sessions in.
func (s *settings) keepInFiles(config *oauth.Config, program string) error {
	dir := s.dir
	if dir == "" {
		if !filepath.IsLocal(program) || filepath.Base(program) != program || program == "." {
			return fmt.Errorf("%q cannot name a folder: give the program's name, such as \"my-bot\"", program)
		}
		folder, err := os.UserConfigDir()
		if err != nil {
			return fmt.Errorf("there is no folder to keep sessions in; say one by WithDir: %w", err)
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

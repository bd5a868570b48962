package oauth

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/gimucco/atproto-go/internal/keeper"
	"github.com/gimucco/atproto-go/internal/token"
	"github.com/gimucco/atproto-go/internal/vault"
	"github.com/gimucco/atproto-go/oauth/seal"
	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/oauth/store/filestore"
	"github.com/gimucco/atproto-go/oauth/store/sqlstore"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// What was stored once stays readable for ever. The folder of a version is written once, when
// that version of the records comes:
//
//	go test ./oauth -run '^TestOldRecordsStayReadable$' -update
//
// and never again: later versions get folders of their own. The module e2e keeps the same
// records as they lie in servers.
var update = flag.Bool("update", false, "write testdata/kept/v1 anew")

const keptFolder = "testdata/kept/v1"

// A keptRecord is a record in records.json.
type keptRecord struct {
	Kind     store.RecordKind
	DID      syntax.DID
	ID       string
	Revision uint64
	Data     []byte
}

// keptCookies is what browsers have.
type keptCookies struct{ Session string }

var keptTime = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// keptSessions are the sessions by ID, with the claims they have.
var keptSessions = map[string]*keeper.Claim{
	"unclaimed": nil,
	"live":      {ID: "LIVECLAIM", At: keptTime, Knocks: 2},
	"open":      {ID: "OPENCLAIM", At: keptTime, Open: true, Replayed: true},
}

func keptKey(id string) SessionKey {
	return SessionKey{DID: "did:plc:ewvi7nxzyoun6zhxrhs64oiz", ID: id}
}

var keptState = store.RecordKey{Kind: store.RecordState, ID: "state-1"}

// keptClient is the client that keeps them.
func keptClient(t *testing.T, s store.Store) *Client {
	t.Helper()
	cfg := Localhost("http://127.0.0.1/callback", "atproto")
	cfg.Store, cfg.Seal = s, seal.Passphrase("the passphrase of old records")
	c, err := NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// keptPlaces opens a copy of each store in the folder.
var keptPlaces = map[string]func(t *testing.T, dir string) store.Store{
	"records.json": func(t *testing.T, dir string) store.Store {
		text, err := os.ReadFile(filepath.Join(dir, "records.json"))
		if err != nil && !*update {
			t.Fatal(err)
		}
		m := new(store.Memory)
		var all []keptRecord
		if err := json.Unmarshal(text, &all); err != nil && !*update {
			t.Fatal(err)
		}
		for _, r := range all {
			if err := put(t.Context(), m, r); err != nil {
				t.Fatal(err)
			}
		}
		return m
	},
	"files": func(t *testing.T, dir string) store.Store {
		dir = filepath.Join(dir, "files")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		s, err := filestore.Open(dir, filestore.WithClock(func() time.Time { return keptTime }))
		if err != nil {
			t.Fatal(err)
		}
		return s
	},
	"records.db": func(t *testing.T, dir string) store.Store {
		db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "records.db"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		s := sqlstore.New(db, sqlstore.SQLite, sqlstore.WithClock(func() time.Time { return keptTime }))
		if err := s.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		return s
	},
}

// put writes a record at whatever revision it has.
func put(ctx context.Context, s store.Store, r keptRecord) error {
	for revision := uint64(1); revision <= r.Revision; revision++ {
		err := s.Put(ctx, &store.Record{Key: store.RecordKey{Kind: r.Kind, DID: r.DID, ID: r.ID}, Revision: revision, Keep: 100 * 24 * time.Hour, Data: r.Data})
		if err != nil {
			return err
		}
	}
	return nil
}

func TestOldRecordsStayReadable(t *testing.T) {
	if *update {
		writeKept(t)
	}
	text, err := os.ReadFile(filepath.Join(keptFolder, "cookies.json"))
	if err != nil {
		t.Fatal(err)
	}
	var cookies keptCookies
	if err := json.Unmarshal(text, &cookies); err != nil {
		t.Fatal(err)
	}
	for name, open := range keptPlaces {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(keptFolder)); err != nil {
				t.Fatal(err)
			}
			s := open(t, dir)
			c := keptClient(t, s)
			listed := 0
			for key, err := range c.Sessions(t.Context(), keptKey("").DID) {
				if err != nil {
					t.Fatal(err)
				}
				if _, known := keptSessions[key.ID]; !known {
					t.Errorf("session %q", key.ID)
				}
				listed++
			}
			if listed != len(keptSessions) {
				t.Errorf("%d sessions of %d", listed, len(keptSessions))
			}
			for id, claim := range keptSessions {
				session, err := c.Resume(t.Context(), keptKey(id))
				if err != nil {
					t.Errorf("%s: %v", id, err)
					continue
				}
				if session.Handle() != "alice.test" || session.Host() != "https://pds.test" || session.Scope() != "atproto" {
					t.Errorf("%s: %s at %s for %s", id, session.Handle(), session.Host(), session.Scope())
				}
				state, _, current, err := c.loadSession(t.Context(), keptKey(id))
				if err != nil || !current || state.Version != 1 {
					t.Errorf("%s: version %d, %v", id, state.Version, err)
				}
				if state.Tokens.Access != "access-"+id || state.Tokens.Refresh != "refresh-"+id || !state.Tokens.IssuedAt.Equal(keptTime) || state.Key == nil {
					t.Errorf("%s: %+v", id, state.Tokens)
				}
				if (state.Claim == nil) != (claim == nil) || claim != nil && *state.Claim != *claim {
					t.Errorf("%s: claim %+v, want %+v", id, state.Claim, claim)
				}
			}
			if counts, err := c.SessionsPerClientKey(t.Context()); err != nil || counts[""] != len(keptSessions) {
				t.Errorf("counted %v, %v", counts, err)
			}
			var login loginState
			if _, err := c.load(t.Context(), keptState, &login); err != nil || login.Verifier != "verifier" || login.AppState != "/back" || !login.CreatedAt.Equal(keptTime) {
				t.Errorf("the login: %+v, %v", login, err)
			}
			if key, err := c.OpenSessionKey(t.Context(), cookies.Session); err != nil || key != keptKey("live") {
				t.Errorf("the cookie: %v, %v", key, err)
			}
			if salt, err := s.Get(t.Context(), vault.SaltRecord); err != nil || len(salt.Data) == 0 || bytes.Equal(salt.Data, make([]byte, len(salt.Data))) {
				t.Errorf("the salt: %+v, %v", salt, err)
			}
		})
	}
}

// writeKept is the small program that -update runs.
func writeKept(t *testing.T) {
	if err := errors.Join(os.RemoveAll(keptFolder), os.MkdirAll(keptFolder, 0o755)); err != nil {
		t.Fatal(err)
	}
	m := new(store.Memory)
	c := keptClient(t, m)
	for id, claim := range keptSessions {
		key, err := newDPoPKey()
		if err != nil {
			t.Fatal(err)
		}
		r := &sessionRecord{Claim: claim, sessionState: sessionState{
			ClientID: c.config.ClientID, Issuer: "https://as.test", TokenEndpoint: "https://as.test/token", RevocationEndpoint: "https://as.test/revoke",
			PDS: "https://pds.test", Handle: "alice.test", Key: key, Nonces: map[string]string{"https://as.test": "nonce"},
			Tokens:    tokenSet{Access: "access-" + id, Refresh: "refresh-" + id, Scope: "atproto", Life: token.Life{IssuedAt: keptTime, ExpiresAt: keptTime.Add(time.Hour)}},
			CreatedAt: keptTime, VerifiedAt: keptTime,
		}}
		if err := c.save(t.Context(), keptKey(id).record(), 1, sessionKeep, r); err != nil {
			t.Fatal(err)
		}
	}
	key, err := newDPoPKey()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.save(t.Context(), keptState, 1, stateLife, &loginState{
		Issuer: "https://as.test", ClientID: c.config.ClientID, RedirectURI: "http://127.0.0.1/callback", Scope: "atproto", Verifier: "verifier",
		Binding: "binding", Key: key, Account: keptKey("").DID, AppState: "/back", CreatedAt: keptTime,
	}); err != nil {
		t.Fatal(err)
	}
	sealed, err := c.SealSessionKey(t.Context(), keptKey("live"))
	if err != nil {
		t.Fatal(err)
	}
	var all []keptRecord
	for _, kind := range []store.RecordKind{store.RecordSession, store.RecordState, store.RecordMeta} {
		page, _, err := m.Scan(t.Context(), kind, "", 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page {
			all = append(all, keptRecord{r.Key.Kind, r.Key.DID, r.Key.ID, r.Revision, r.Data})
		}
	}
	for name, v := range map[string]any{"records.json": all, "cookies.json": keptCookies{sealed}} {
		text, err := json.MarshalIndent(v, "", "\t")
		if err == nil {
			err = os.WriteFile(filepath.Join(keptFolder, name), append(text, '\n'), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, open := range keptPlaces {
		if name == "records.json" {
			continue
		}
		s := open(t, keptFolder)
		for _, r := range all {
			if err := put(t.Context(), s, r); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.RemoveAll(filepath.Join(keptFolder, "files", "locks")); err != nil {
		t.Fatal(err)
	}
}

package seal

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/crypto/argon2"
)

const (
	// The second recommended option of RFC 9106 §4. The parameters are not stored beside the salt,
	// because whoever can write there could make them weak. Other parameters need another place for
	// the salt.
	argonTime    = 3
	argonMemory  = 64 << 10 // KiB
	argonThreads = 4
	saltSize     = 16
)

// A Salt returns the stored salt for passphrases. If there is none, it stores fresh, and returns
// fresh or what somebody else has stored meanwhile. Its errors are returned unchanged.
type Salt func(ctx context.Context, fresh []byte) ([]byte, error)

// A Sealer seals by a Spec. It knows the keys of passphrases. It is safe for concurrent use.
type Sealer struct {
	derive func(ctx context.Context) ([]*key, error) // may be called again after an error

	mu   sync.Mutex // held while keys are derived
	keys []*key     // one for each source, nil for plaintext; nil until they are derived
}

// New returns the Sealer of spec, whose Err must be nil. salt is called when the first record is
// sealed or opened, and only if there is a passphrase.
func New(spec *Spec, salt Salt) *Sealer {
	return &Sealer{derive: func(ctx context.Context) ([]*key, error) { return spec.derive(ctx, salt) }}
}

// derive makes a key for every source.
func (s *Spec) derive(ctx context.Context, salt Salt) ([]*key, error) {
	var salted []byte
	keys := make([]*key, len(s.sources))
	for i, source := range s.sources {
		keys[i] = source.key
		if source.passphrase == nil {
			continue
		}
		if salted == nil {
			fresh := make([]byte, saltSize)
			rand.Read(fresh)
			var err error
			if salted, err = salt(ctx, fresh); err != nil {
				return nil, err
			}
			if len(salted) != saltSize {
				return nil, fmt.Errorf("%w: it has %d bytes, not %d", ErrSalt, len(salted), saltSize)
			}
		}
		var err error
		if keys[i], err = newKey(argon2.IDKey([]byte(*source.passphrase), salted, argonTime, argonMemory, argonThreads, minKey)); err != nil {
			return nil, err
		}
	}
	return keys, nil
}

// Strict returns a Sealer with the keys of s that neither writes nor accepts plaintext. If s writes
// plaintext, the new Sealer has a key of its own, which exists only as long as it does.
func (s *Sealer) Strict() *Sealer {
	return &Sealer{derive: func(ctx context.Context) ([]*key, error) {
		keys, err := s.ready(ctx)
		if err != nil {
			return nil, err
		}
		if keys[0] != nil {
			return slices.DeleteFunc(slices.Clone(keys), func(k *key) bool { return k == nil }), nil
		}
		secret := make([]byte, minKey)
		rand.Read(secret)
		own, err := newKey(secret)
		return []*key{own}, err
	}}
}

// ready returns the keys. The first call derives them; after an error, the next call tries again.
func (s *Sealer) ready(ctx context.Context) ([]*key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys == nil {
		keys, err := s.derive(ctx)
		if err != nil {
			return nil, err
		}
		s.keys = keys
	}
	return s.keys, nil
}

// Close seals data. Open returns it only for the same bound.
func (s *Sealer) Close(ctx context.Context, bound, data []byte) ([]byte, error) {
	keys, err := s.ready(ctx)
	if err != nil {
		return nil, err
	}
	if keys[0] == nil {
		return append([]byte{plaintextVersion}, data...), nil
	}
	return keys[0].seal(bound, data), nil
}

// Open returns the data that was sealed, and whether Close would seal it in the same way.
func (s *Sealer) Open(ctx context.Context, bound, sealed []byte) (data []byte, current bool, err error) {
	keys, err := s.ready(ctx)
	if err != nil {
		return nil, false, err
	}
	if len(sealed) > 0 && sealed[0] == plaintextVersion {
		if i := slices.Index(keys, nil); i >= 0 {
			return sealed[1:], i == 0, nil
		}
	}
	return open(keys, bound, sealed)
}

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
	// The second recommended option of RFC 9106 §4. They are not kept beside the salt:
	// whoever writes there could make them weak. Others need another place for the salt.
	argonTime    = 3
	argonMemory  = 64 << 10 // KiB
	argonThreads = 4
	saltSize     = 16
)

// A Salt returns the salt of passphrases that was kept; where there is none, it keeps
// fresh, and returns that or what somebody else kept meanwhile. Its errors are returned
// as they are.
type Salt func(ctx context.Context, fresh []byte) ([]byte, error)

// A Sealer is a Spec at work: it knows the keys of passphrases. It is safe for concurrent
// use.
type Sealer struct {
	derive func(ctx context.Context) ([]*key, error) // may be called again after an error

	mu   sync.Mutex // held while keys are derived
	keys []*key     // one for each source, nil for plaintext; nil until they are derived
}

// New returns the Sealer of spec, whose Err is nil. salt is asked when the first record is
// sealed or opened, and only if there is a passphrase.
func New(spec *Spec, salt Salt) *Sealer {
	return &Sealer{derive: func(ctx context.Context) ([]*key, error) { return spec.derive(ctx, salt) }}
}

// derive makes a key of every source.
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

// Strict returns a Sealer with the keys of s that neither writes nor accepts plaintext.
// Where s writes plaintext, it has a key of its own, which is gone with it.
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

// ready returns the keys. It derives them when it is first called; what fails meanwhile
// is tried again the next time.
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

// Close seals data, which Open then gives back for the same bound alone.
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

// Open returns what was sealed, and whether Close would seal it in the same way.
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

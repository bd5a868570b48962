package xrpc

import (
	"context"
	"errors"
	"fmt"
)

// A socket is one connection of a stream. In a browser there is none, because its WebSockets do not
// use a Doer.
type socket struct{ framing framing }

func openSocket(_ context.Context, _ Doer, m Method, _ Request, _ *options) (*socket, error) {
	return nil, fmt.Errorf("xrpc: %s: subscriptions: %w on this platform", m.NSID, errors.ErrUnsupported)
}

func (*socket) next() (text bool, message []byte, err error) {
	return false, nil, errors.ErrUnsupported
}

func (*socket) close() {}

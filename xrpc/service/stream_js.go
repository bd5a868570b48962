package service

import (
	"context"
	"errors"
	"fmt"

	"github.com/gimucco/atproto-go/xrpc/lex"
)

// Stream implements xrpc.Incoming. A browser cannot serve WebSockets.
func (c *call) Stream(context.Context, func(context.Context, func(lex.Encodable, lex.Typed) error) error) error {
	return fmt.Errorf("service: %s: streams: %w on this platform", c.served.method.NSID, errors.ErrUnsupported)
}

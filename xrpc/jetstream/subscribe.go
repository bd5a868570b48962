package jetstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/gimucco/atproto-go/xrpc"
)

// Subscribe returns the stream of the endpoint /subscribe of host. It sends nothing before the
// stream is read. It fails if params are not valid. Nil params mean all events from now on.
//
// The cursor is a time. A new connection begins at the cursor, and repeated events are left out.
// Another server has other times: to continue there, set Since some seconds back, and expect some
// events twice.
func Subscribe(ctx context.Context, host *xrpc.Client, params *Params, opts ...xrpc.Option) (*xrpc.Stream[Event], error) {
	params, err := checked(params)
	switch {
	case err != nil:
	case len(params.Kinds) > 0:
		err = errors.New("Params.Kinds: this endpoint has no such filter: see SubscribeEvents")
	case params.Cursor != nil && time.UnixMicro(*params.Cursor).After(time.Now().Add(time.Minute)):
		err = fmt.Errorf("Params.Cursor is the time %s, in the future", time.UnixMicro(*params.Cursor).UTC().Format(time.RFC3339))
	}
	if err != nil {
		return nil, fmt.Errorf("jetstream: %w", err)
	}
	p := &timed{Params: params, cursor: params.Cursor, hello: len(params.DIDs) > longFilter}
	if !params.Since.IsZero() {
		p.cursor = new(params.Since.UnixMicro() - 1) // the server treats the event at the cursor as known
	}
	m := xrpc.Method{NSID: "network.bsky.jetstream", Kind: xrpc.KindSubscription, Cursor: "cursor", Overlaps: true}
	if m.Hello, err = p.helloText(); err != nil {
		return nil, fmt.Errorf("jetstream: %w", err)
	}
	if m.Unpack, err = unpacker(params.Dictionary); err != nil {
		return nil, fmt.Errorf("jetstream: %w", err)
	}
	return xrpc.Subscribe[Event](ctx, xrpc.NewCaller(endpoint{host}), m, p, opts), nil
}

// An endpoint is a Doer that sends its requests to /subscribe.
type endpoint struct{ host *xrpc.Client }

// Do implements xrpc.Doer.
func (e endpoint) Do(ctx context.Context, req *xrpc.Request) (*http.Response, error) {
	target, err := url.Parse(e.host.Host())
	if err != nil {
		return nil, err
	}
	target.Path, target.RawQuery = "/subscribe", req.Query
	return e.host.Follow(ctx, target, req.Header)
}

// SubscribeEvents returns the stream of network.bsky.jetstream.subscribeEvents, in the second
// version of Jetstream. It sends nothing before the stream is read. It fails if params are not
// valid. Nil params mean all events from now on.
//
// If a cursor is too old, the server refuses it with the *xrpc.Error CursorTooOld.
func SubscribeEvents(ctx context.Context, host xrpc.Doer, params *Params, opts ...xrpc.Option) (*xrpc.Stream[Event], error) {
	params, err := checked(params)
	if err != nil {
		return nil, fmt.Errorf("jetstream: %w", err)
	}
	if params.Cursor != nil && *params.Cursor >= firstTime {
		return nil, errors.New("jetstream: Params.Cursor is a time, but this endpoint needs a sequence number: set Since")
	}
	p := &sequenced{Params: params}
	m := xrpc.Method{NSID: "network.bsky.jetstream.subscribeEvents", Kind: xrpc.KindSubscription, Cursor: "cursor", Subprotocol: "xrpc.v1.json"}
	if len(params.Dictionary) > 0 {
		if p.dictionary, err = dictionaryID(params.Dictionary); err == nil {
			m.Unpack, err = unpacker(params.Dictionary)
		}
		if err != nil {
			return nil, fmt.Errorf("jetstream: %w", err)
		}
	}
	return xrpc.Subscribe[Event](ctx, xrpc.NewCaller(beginning{host, params.Since}), m, p, opts), nil
}

// firstTime is the smallest cursor that the server reads as a time in microseconds.
const firstTime = 1e15

// A beginning is a Doer that adds the time at which a stream begins, as long as it has no cursor. A
// time must not be the stream's cursor, because sequence numbers cannot be compared with it.
type beginning struct {
	xrpc.Doer
	since time.Time // zero means now
}

// Do implements xrpc.Doer.
func (b beginning) Do(ctx context.Context, req *xrpc.Request) (*http.Response, error) {
	if b.since.IsZero() || strings.Contains("&"+req.Query, "&cursor=") {
		return b.Doer.Do(ctx, req)
	}
	from := *req
	from.Query = strings.TrimPrefix(fmt.Sprintf("%s&cursor=%d", req.Query, b.since.UnixMicro()), "&")
	return b.Doer.Do(ctx, &from)
}

// checked returns a copy of params, or an error if they are not valid.
func checked(params *Params) (*Params, error) {
	if params == nil {
		params = new(Params)
	}
	own := *params
	own.Collections, own.DIDs, own.Kinds = append([]string(nil), own.Collections...), append(own.DIDs[:0:0], own.DIDs...), append(own.Kinds[:0:0], own.Kinds...)
	return &own, own.check()
}

// maxDictionary is larger than any dictionary.
const maxDictionary = 1 << 20

// FetchDictionary fetches the compression dictionary for SubscribeEvents from a server of the
// second version.
func FetchDictionary(ctx context.Context, host xrpc.Doer, opts ...xrpc.Option) ([]byte, error) {
	m := xrpc.Method{NSID: "network.bsky.jetstream.getZstdDictionary", Kind: xrpc.KindQuery, Output: "application/octet-stream"}
	download, err := xrpc.Open(ctx, xrpc.NewCaller(host), m, nil, xrpc.Input{}, opts)
	if err != nil {
		return nil, err
	}
	defer download.Close()
	dictionary, err := io.ReadAll(io.LimitReader(download, maxDictionary+1))
	switch {
	case err != nil:
		return nil, err
	case len(dictionary) > maxDictionary:
		return nil, fmt.Errorf("jetstream: %s: the dictionary has more than %d bytes", m.NSID, maxDictionary)
	}
	if _, err := dictionaryID(dictionary); err != nil {
		return nil, fmt.Errorf("jetstream: %s: the server's answer is not a zstd dictionary", m.NSID)
	}
	return dictionary, nil
}

// maxUnpacked limits a compressed event, in bytes after decompression. The limit of the stream is
// usually lower, and is checked later.
const maxUnpacked = 16 << 20

// unpacker returns a function that converts a WebSocket message to the JSON of an event.
func unpacker(dictionary []byte) (func(data []byte, text bool) ([]byte, error), error) {
	if len(dictionary) == 0 {
		return func(data []byte, text bool) ([]byte, error) {
			if !text {
				return nil, errors.New("it is a binary message, but no compression was requested")
			}
			return data, nil
		}, nil
	}
	if _, err := dictionaryID(dictionary); err != nil {
		return nil, err
	}
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderDicts(dictionary), zstd.WithDecoderMaxMemory(maxUnpacked), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("Params.Dictionary: %w", err)
	}
	var buf []byte
	return func(data []byte, text bool) ([]byte, error) {
		if text {
			return data, nil
		}
		var err error
		buf, err = decoder.DecodeAll(data, buf[:0])
		if errors.Is(err, zstd.ErrDecoderSizeExceeded) {
			err = fmt.Errorf("%w: %w", xrpc.ErrOutputTooLarge, err)
		}
		return buf, err
	}, nil
}

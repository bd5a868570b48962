// Package service serves methods of lexicons: a handler with types for each, on any mux.
//
//	mux := http.NewServeMux()
//	service.Handle(mux, appbsky.FeedGetFeedSkeleton, func(ctx context.Context, params *appbsky.FeedGetFeedSkeletonParams) (*appbsky.FeedGetFeedSkeletonOutput, error) {
//		if params.Feed != ours {
//			return nil, appbsky.ErrUnknownFeed
//		}
//		…
//		return &appbsky.FeedGetFeedSkeletonOutput{Feed: posts}, nil
//	}, service.With(verifier.Require))
//	mux.Handle("/xrpc/", service.NotImplemented())
//	http.ListenAndServe(":8080", mux)
//
// A handler has the signature of the generated client's method, without options: the parameters if the method has any,
// the input if it has one. What it gets is what the lexicon says; a call that is not is refused. Bodies of bytes are
// *xrpc.Body, of the input and of the output alike. The handler of a subscription gets a func that sends messages.
//
// An error that wraps an xrpc.ErrorName is the caller's to know: errors of the lexicon are constants of generated
// packages, and what follows the name is the message. *Error and *xrpc.Error have a status of their own. Any other
// error, and a panic, is answered with status 500 and no details; what it says is logged.
//
// See https://atproto.com/specs/xrpc and https://atproto.com/specs/event-stream.
package service

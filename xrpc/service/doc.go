// Package service serves methods of lexicons. Each method gets a typed handler, on any mux.
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
// A handler has the signature of the generated client's method, without options: the parameters if
// the method has any, and then the input if it has one. Calls that do not follow the lexicon are
// refused before the handler. Bodies of bytes are *xrpc.Body, for input and output. The handler of
// a subscription gets a function that sends messages.
//
// If an error wraps an xrpc.ErrorName, the caller gets the name, and the text after it as the
// message. Generated packages have constants for the errors of lexicons. *Error and *xrpc.Error
// have their own status. Any other error, and a panic, becomes status 500 without details; its text
// is logged.
//
// See https://atproto.com/specs/xrpc and https://atproto.com/specs/event-stream.
package service

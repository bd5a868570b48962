// Package labels verifies labels: that the labeler which a label names has signed it
// (https://atproto.com/specs/label).
//
//	verifier := &labels.Verifier{Resolver: identity.NewCache(resolver, identity.CacheConfig{})}
//	…
//	stream := comatproto.NewClient(labeler).Label.SubscribeLabels(ctx, nil)
//	for message, err := range stream.Messages() {
//		if err != nil {
//			return err
//		}
//		if m, ok := message.Value.(*comatproto.LabelSubscribeLabelsLabels); ok {
//			for _, label := range m.Labels {
//				if err := verifier.Verify(ctx, &label); err != nil {
//					continue // who passed it on may have made it up
//				}
//				…
//			}
//		}
//	}
//
// Labels that come from the labeler itself, over TLS, need no signature; those that somebody passes on do.
package labels

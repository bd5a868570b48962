// Package labels verifies labels: it checks that the labeler which a label names has signed it
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
//					continue // whoever forwarded it may have invented it
//				}
//				…
//			}
//		}
//	}
//
// Labels that come directly from the labeler, over TLS, need no signature. Forwarded labels need
// one.
package labels

// Package records reads and writes records of repositories. It works with any lexicon, and with any
// Doer that knows its account.
//
//	ref, err := records.Create(ctx, session, &appbsky.FeedLike{Subject: subject, CreatedAt: syntax.Now()})
//	post, ref, err := records.Get[appbsky.FeedPost](ctx, session, uri)
//	ref, err = records.Update(ctx, session, "self", func(p *appbsky.ActorProfile) error {
//		p.DisplayName = &name
//		return nil
//	})
//	err = records.Delete(ctx, session, uri)
//	for r, err := range records.List[appbsky.FeedPost](ctx, session, repo) {
//		…
//	}
//
// The record's type determines the collection. Before a record is sent, it is checked by its
// lexicon, and its key, too. So a missing field is an error here, and not an invalid record in the
// repository.
//
// Use a Batch for several writes that must take effect together.
//
// There are functions for posts, likes, reposts, follows and preferences of Bluesky:
//
//	ref, err := records.Post(ctx, session, records.Text("Hello @alice.example").Image("cat.jpg", "A cat."))
//	_, err = records.Like(ctx, session, ref)
package records

// Package records reads and writes records of repositories, of any lexicon, on any Doer that
// knows its account.
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
// A collection is that of the record's type. What is written is held to its lexicon before it is
// sent, so that a field which was forgotten is an error here and no broken record there.
//
// Several writes that take effect together are collected in a Batch.
//
// Posts of Bluesky, likes, reposts, follows and preferences have functions of their own:
//
//	ref, err := records.Post(ctx, session, records.Text("Hello @alice.example").Image("cat.jpg", "A cat."))
//	_, err = records.Like(ctx, session, ref)
package records

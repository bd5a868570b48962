// Package repo reads the repositories of accounts, as com.atproto.sync.getRepo, getRecord and
// subscribeRepos return them. They contain their own proofs (https://atproto.com/specs/repository).
//
//	download, err := api.Sync.GetRepo(ctx, &comatproto.SyncGetRepoParams{DID: did})
//	…
//	defer download.Close()
//	r, err := repo.Read(ctx, download)
//	…
//	defer r.Close()
//	if err := r.Verify(did, key); err != nil { // key: the account's key in its DID document
//		…
//	}
//	for record, err := range r.Records() {
//		…
//		if record.Collection == appbsky.FeedPostNSID {
//			var post appbsky.FeedPost
//			err := record.As(&post)
//			…
//		}
//	}
//
// # Reading
//
// A repository comes as a CAR: blocks, each with the hash of its bytes. A signed commit names the
// root of a tree, and the tree names all records. Servers send the blocks in the order of their
// database, not in the order of the tree. So Read first reads the whole CAR, at the speed of the
// network, and checks each block by its hash. After that you can read the records in the order of
// their paths, as often as you like.
//
// Up to 16 MiB of blocks are kept in memory, which is enough for most repositories. Larger ones go
// into a temporary file. The position of each block takes 48 bytes. A repository of 100,000 records
// takes less than 20 MB, whatever their size. Open reads an existing file, and needs no temporary
// one.
//
// Nothing is trusted because a server says it. Each block must have the hash in its name. The tree
// must have the only shape that its paths allow; so it has no loops, is not deep, and has no record
// twice. Verify checks the commit with the account's key. An error is an *Error with a kind, and
// says where it is.
//
// # Changes
//
// Operations returns what an event of a repository did. Package firehose does the same for the
// messages of a stream. Change.Verify checks that the account signed the change and that the
// operations are complete, by Sync 1.1. State.Next checks that no event is missing. Diff compares
// two repositories.
package repo

// Package repo reads the repositories of accounts: what com.atproto.sync.getRepo, getRecord and
// subscribeRepos give, which proves itself (https://atproto.com/specs/repository).
//
//	download, err := api.Sync.GetRepo(ctx, &comatproto.SyncGetRepoParams{DID: did})
//	…
//	defer download.Close()
//	r, err := repo.Read(ctx, download)
//	…
//	defer r.Close()
//	if err := r.Verify(did, key); err != nil { // key: the account's, of its DID document
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
// # What is read, and what it takes
//
// A repository comes as a CAR: blocks, each under the hash of its bytes. A signed commit names the
// root of a tree, and the tree names all records. Servers send the blocks in the order in which
// their database has them, which is not the order of the tree. Read therefore takes the whole CAR
// first, at the speed of the network, and checks each block by its hash; then records come in the
// order of their paths, each on its own, as often as they are wanted. Blocks are kept in memory up to 16 MiB, in which most
// repositories fit, and beyond that in a temporary file; 48 bytes for each block say where it is.
// A repository of 100,000 records takes less than 20 MB, however
// large they are. Open reads a file in its
// place, and needs no other.
//
// Nothing is believed because a server says it. Blocks have the hashes that they are named by. The tree has the
// one shape that its paths give it, so that it can have no loops, no depth, and no record twice. Verify holds the commit to the key
// of the account. What is wrong is an *Error of a kind, and says where.
//
// # Changes
//
// Operations returns what an event of a repository did: package firehose takes the events as they
// come. Change.Verify makes sure that the account signed it and that the operations are all that
// changed, by Sync 1.1, and State.Next that no event is missing. Diff compares two repositories.
package repo

// Package keeper rotates a single-use token exactly once, by many goroutines in many
// processes that share nothing but a register with compare-and-swap.
//
// OAuth refresh tokens work once. A server that sees one twice ends the session, for it
// cannot tell a thief from a program that forgot. So a token must be sent by one process
// only, its answer must be written down before anybody else sends, and whoever finds that
// this may have gone wrong has to know it. The package knows a register, a function that
// asks the server, and a clock. It knows no HTTP, no tokens, and no storage.
//
// # The rules
//
// Everything is kept in one entry of the register: the value (the tokens), and a claim, which
// announces that somebody is about to send. A write names the revision that it replaces, so that
// two writers never overwrite each other.
//
//  1. Adopt. Read the entry. Where it holds other tokens than those that are to be replaced,
//     somebody was faster: use them.
//  2. Wait. A claim of another process is not touched before it has been watched standing
//     still for the whole life of a claim, and for as long after the last moment of an answer as its
//     holder needs to write. No two clocks are compared: the watcher counts the time between its
//     own reads. See watch.
//  3. Prepare. Find out what is needed before the server is asked: a claim has no time for it.
//  4. Claim. Write the entry with a claim of one's own.
//  5. Fence. Before anything is sent, and before it is sent again, read the entry once more: the
//     claim is still there, nobody who waits has marked it, and it has enough time left for an
//     answer. A process that slept in between finds out here, also if no clock of its machine went on.
//  6. Send, within the time of the claim and no other: not the caller's, who may have left.
//  7. Commit. Write the new tokens, and drop the claim with the same write. They are the newest there
//     are: they go on top of whatever claim stands there by now.
//  8. Use them.
//
// # What can go wrong
//
// The server was not asked, or said that it did nothing: the claim is dropped, and anybody may try.
//
// Nobody knows what the server did: the claim is left open. An open claim is not waited for,
// but it is remembered: should the server refuse the token the next time, the session was lost by a
// refresh whose answer was lost ([Ending.Ambiguous]), and not because somebody revoked it. The same
// holds for a claim that its owner left behind.
//
// The new tokens cannot be written: they are used all the same, and offered to the register until it
// takes them, every two seconds at most. That is much faster than anybody takes over, because who
// watches begins anew with every failure, and proves before the end of the watch that the register takes
// writes. See watch.
//
// A process slept with the request in hand, lost its claim, and sent the token after somebody else
// did. It says so in the entry ([Claim.Replayed], or an open claim beside newer tokens), so that
// the end that the server makes of it is called by its name in every process.
//
// The entry is gone: somebody logged out. New tokens are given to [Party.Orphan], to be revoked.
//
// # What is not defended
//
// A process that is killed after the server rotated and before the commit; one that sleeps there
// for longer than a claim, or with the fence passed and nothing sent; a request that is on its way for
// longer than its claim lasts; a register that cannot be reached by the holder of new tokens, while others
// can; a register that fails from there on until the holder is gone, or for more than an hour (the
// saver rests then, and a new process may find the claim ancient); a register that went back by
// more than one rotation, for nobody can tell then which tokens are the newest.
package keeper

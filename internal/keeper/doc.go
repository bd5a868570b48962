// Package keeper rotates a single-use token exactly once. Many goroutines in many processes may
// want to rotate it, and they share nothing but a register with compare-and-swap.
//
// OAuth refresh tokens work once. If a server sees one twice, it ends the session, because it
// cannot distinguish a thief from a faulty program. So three things must hold. Only one process
// sends a token. Its answer is stored before another process sends. And a process that finds that
// this may have gone wrong must be able to see it.
//
// The package knows a register, a function that asks the server, and a clock. It knows no HTTP, no
// tokens, and no storage.
//
// # The rules
//
// The register has one entry for a session. It contains the value (the tokens) and a claim. A claim
// announces that a process is about to send the token. Every write names the revision that it
// replaces, so two writers never overwrite each other. A refresh takes these steps:
//
//  1. Adopt. Read the entry. If it has other tokens than those to replace, another process was
//     faster: use its tokens.
//  2. Wait. If another process has a claim, watch it. Take it over only after it has not changed
//     for the whole life of a claim, and then for the time that its holder needs to write an
//     answer that came at the last moment. The watcher measures the time between its own reads,
//     so it never compares two clocks. See watch.
//  3. Prepare. Find out everything that is needed before the server is asked, because a claim
//     leaves no time for that.
//  4. Claim. Write the entry with a claim of your own.
//  5. Fence. Before you send anything, and before you send it again, read the entry once more.
//     Your claim must still be there, no waiting process may have marked it, and it must have
//     enough time left for an answer. A process that slept finds this out here, even if both
//     clocks of its machine stopped.
//  6. Send. Use the time of the claim, not the context of the caller, because the caller may have
//     left.
//  7. Commit. Write the new tokens, and remove the claim with the same write. These are the
//     newest tokens, so they replace the entry whatever claim it has now.
//  8. Use the new tokens.
//
// # What can go wrong
//
// The server was not asked, or said that it did nothing. The claim is removed, and everybody may
// try.
//
// It is unknown what the server did. The claim stays, marked as open. Nobody waits for an open
// claim, but it is remembered. If the server refuses the token the next time, the reason is a
// refresh whose answer was lost ([Ending.Ambiguous]), and not that somebody revoked the session.
// The same is true for a claim that its owner left behind.
//
// The new tokens cannot be written. They are used, and offered to the register until it accepts
// them, at least every two seconds. That is much faster than any takeover: a watcher begins again
// after every failed read, and proves before the end of its watch that the register accepts writes.
// See watch.
//
// A process slept just before sending, lost its claim, and sent the token after another process
// did. It notes that in the entry ([Claim.Replayed], or an open claim beside newer tokens). If the
// server then ends the session, every process can name the reason.
//
// The entry is gone, because somebody logged out. New tokens go to [Party.Orphan], which revokes
// them.
//
// # Limits
//
// The package cannot save the session in these cases:
//
//   - A process is killed after the server has rotated the token and before the commit.
//   - A process sleeps there for longer than a claim lives, or sleeps after the fence and before
//     it sends.
//   - A request is under way for longer than its claim lives.
//   - The holder of new tokens cannot reach the register, but other processes can.
//   - The register fails from there on until the holder is gone, or for more than an hour. (After
//     an hour the saver rests, and a new process may treat the claim as ancient.)
//   - The register goes back by more than one rotation. Then nobody can tell which tokens are the
//     newest.
package keeper

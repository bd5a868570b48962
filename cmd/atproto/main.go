// Command atproto prepares OAuth clients for the AT Protocol and looks into what servers
// make of them.
//
//	atproto keygen     make a key that a confidential client authenticates by
//	atproto metadata   write the documents that a client publishes
//	atproto check      fetch them, and say what servers would refuse
//	atproto resolve    find an account and the server that it logs in at
//
// Results go to the standard output, everything else to standard error. The exit status
// is 0 when it is done, 1 when it failed or a check found problems, 2 when the command
// line is wrong.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// Command atproto uses the AT Protocol from the command line, and prepares OAuth clients for
// it.
//
//	atproto login alice.example.com        log in, in the browser
//	atproto post "Hello"                   write a post
//	atproto call NSID --param key=value    call any method
//	atproto resolve alice.example.com      find an account and the server that it logs in at
//
// atproto help lists all commands. Results go to the standard output, everything else to
// standard error. The exit status is 0 when it is done, 1 when it failed or a check found
// problems, 2 when the command line is wrong, 130 when it was interrupted.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	p := &program{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv}
	if f, ok := isTerminal(os.Stderr); ok {
		p.terminal = f
	}
	status := p.run(ctx, os.Args[1:])
	stop()
	os.Exit(status)
}

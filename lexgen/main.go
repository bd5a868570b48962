// Command lexgen generates typed Go from lexicons, the schemas of the AT Protocol.
//
//	lexgen generate [-config lexgen.json]
//
// The config says which lexicons to read, which of them to generate, and into which
// packages:
//
//	{
//	  "inputs": ["lexicons"],
//	  "packages": [{"prefixes": ["com.example"], "name": "comexample", "path": "example.org/app/comexample", "dir": "comexample"}],
//	  "generate": ["com.example.*"]
//	}
//
// Its further keys are "skip" (NSIDs taken out of generate), "direct" (prefixes of
// methods that are the PDS's own: a client's default proxy does not apply to them),
// "rename" (Go names by "nsid:path" of a schema; errors about names print the line to
// add), and, in a package, "external": true for one that exists already and is only
// referred to. Paths are relative to the config.
//
// Either all packages are written or none is. Files in a package's folder that lexgen
// did not write stay.
//
// The work is done in a row of rooms: schema reads lexicons, resolve finds what they
// refer to, plan decides on Go, emit renders it.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
)

func main() { os.Exit(run(os.Args[1:], os.Stderr)) }

// run returns the exit status: 0, 1 after an error, 2 for a wrong command line.
func run(args []string, stderr io.Writer) int {
	usage := func() int {
		fmt.Fprintln(stderr, "usage: lexgen generate [-config lexgen.json]")
		return 2
	}
	if len(args) == 0 || args[0] != "generate" {
		return usage()
	}
	flags := flag.NewFlagSet("lexgen generate", flag.ContinueOnError)
	flags.SetOutput(stderr)
	config := flags.String("config", "lexgen.json", "the config `file`")
	if err := flags.Parse(args[1:]); err != nil || flags.NArg() > 0 {
		return usage()
	}
	warnings, err := generate(*config)
	for _, w := range warnings {
		fmt.Fprintln(stderr, "lexgen: warning:", w)
	}
	if err != nil {
		fmt.Fprintln(stderr, "lexgen:", err)
		return 1
	}
	return 0
}

package commandline_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/gimucco/atproto-go/internal/commandline"
)

func TestWrongCommandLinesAreSaidInWords(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"one", "say which file"},
		{"one a b", `"b" is too much: tool one takes one argument`},
		{"none a", `"a" is too much: tool none takes flags only`},
		{"one a --number", "--number: the count is missing"},
		{"one a -n", "--number: the count is missing"},
		{"two a", "say which file and where to"},
		{"two a b c", `"c" is too much: tool two takes at most 2 arguments`},
		{"one a --number x", `--number: "x" is not a whole number`},
		{"one a --number 1.5", `--number: "1.5" is not a whole number`},
		{"one a --number 99999999999999999999", `--number: "99999999999999999999" is too large a number`},
		{"one a --long x", `--long: "x" is not a whole number`},
		{"one a --bool=maybe", `--bool: "maybe" is neither true nor false`},
		{"one a --time soon", `--time: "soon" is not a time: write it as 30s or 5m`},
		{"one a --none", "unknown flag: --none"},
	} {
		t.Run(tt.args, func(t *testing.T) {
			root := &cobra.Command{Use: "tool"}
			one := &cobra.Command{Use: "one FILE", Args: commandline.Args(1, 1, "say which file"), Run: func(*cobra.Command, []string) {}}
			one.Flags().IntP("number", "n", 0, "a `count` of things")
			one.Flags().Int64("long", 0, "")
			one.Flags().Bool("bool", false, "")
			one.Flags().Duration("time", time.Second, "")
			root.AddCommand(one, &cobra.Command{Use: "none", Args: commandline.Args(0, 0, ""), Run: func(*cobra.Command, []string) {}},
				&cobra.Command{Use: "two FILE FOLDER", Args: commandline.Args(2, 2, "say which file and where to"), Run: func(*cobra.Command, []string) {}})
			commandline.Strict(root)
			root.SetArgs(strings.Fields(tt.args))
			err := root.Execute()
			if !errors.Is(err, commandline.ErrUsage) || !strings.HasPrefix(err.Error(), "wrong usage: "+tt.want+"\n") {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

package e2e

import (
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"github.com/gimucco/atproto-go/e2e/realpds"
)

// TestCLIHidesAnAppPassword types an app password at a terminal, and the key that interrupts a program instead of one.
func TestCLIHidesAnAppPassword(t *testing.T) {
	server := realpds.Start(t)
	c := newCLI(t, server)
	bob := server.Environment().Account("bob")
	for _, tt := range []struct {
		name, typed, shows string
		status             int
	}{
		{"what is typed does not show", bob.Password + "\r", "Logged in as " + string(bob.Handle), 0},
		{"a wrong one does not show either", "not-the-password\r", "make one in the settings of the account", 1},
		{"an empty line", "\r", "there is no app password", 1},
		{"an interrupt shows again what is typed later", "\x03", "interrupted", 130},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := c.command("", "login", "--app-password", string(bob.Handle))
			cmd.Stdin = nil
			terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 100})
			if err != nil {
				t.Fatal(err)
			}
			defer terminal.Close()
			output := make(chan string)
			go func() {
				all, _ := io.ReadAll(terminal) // it ends with EIO, where the other end has gone
				output <- string(all)
			}()
			for begun := time.Now(); echoes(t, terminal); time.Sleep(10 * time.Millisecond) { // a person waits for the prompt
				if time.Since(begun) > time.Minute {
					t.Fatal("the terminal goes on showing what is typed")
				}
			}
			if _, err := io.WriteString(terminal, tt.typed); err != nil {
				t.Fatal(err)
			}
			cmd.Wait()
			shown := <-output
			if !strings.Contains(shown, "App password of "+string(bob.Handle)+": ") || !strings.Contains(shown, tt.shows) || cmd.ProcessState.ExitCode() != tt.status {
				t.Errorf("status %d: %q", cmd.ProcessState.ExitCode(), shown)
			}
			if typed := strings.TrimSpace(tt.typed); typed != "" && strings.Contains(shown, typed) {
				t.Errorf("the terminal shows what was typed: %q", shown)
			}
			if !echoes(t, terminal) {
				t.Error("the terminal does not show any more what is typed")
			}
		})
	}
}

// echoes reports whether a terminal shows what is typed.
func echoes(t *testing.T, terminal *os.File) bool {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}

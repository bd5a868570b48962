package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf16"
)

// writeJSON writes a value for programs.
func writeJSON(w io.Writer, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return err
	}
	return writeText(w, b.String())
}

// writeLine writes a value for programs, on a line of its own.
func writeLine(w io.Writer, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	return writeText(w, b.String())
}

// writeRaw writes the JSON text of a server: in one line as it is, or, for people, over
// several. Numbers and the order of fields stay what they are.
func writeRaw(w io.Writer, text []byte, oneLine bool) error {
	var b bytes.Buffer
	var err error
	if oneLine {
		err = json.Compact(&b, text)
	} else {
		err = json.Indent(&b, text, "", "  ")
	}
	if err != nil {
		return fmt.Errorf("the server's answer is not JSON: %w", err)
	}
	b.WriteByte('\n')
	return writeText(w, b.String())
}

// writeText writes JSON. What a terminal might act on is only there inside of strings, and
// written as an escape: the value stays what it is.
func writeText(w io.Writer, text string) error {
	var escaped strings.Builder
	for _, r := range text {
		switch {
		case r == '\n', unicode.IsPrint(r):
			escaped.WriteRune(r)
		default:
			for _, unit := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(&escaped, "\\u%04x", unit)
			}
		}
	}
	_, err := io.WriteString(w, escaped.String())
	return err
}

// printable takes out of what strangers wrote whatever a terminal might act on.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

// A printer makes all that is written printable, line by line, so that no way out of the
// command can be forgotten. Each Write has to hold whole characters.
type printer struct{ w io.Writer }

// Write implements io.Writer.
func (p printer) Write(b []byte) (int, error) {
	lines := strings.Split(string(b), "\n")
	for i, line := range lines {
		lines[i] = printable(line)
	}
	if _, err := io.WriteString(p.w, strings.Join(lines, "\n")); err != nil {
		return 0, err
	}
	return len(b), nil
}

// A row is a line that says what a value is.
type row struct{ label, value string }

// writeRows writes those that have a value, one below the other.
func writeRows(w io.Writer, rows []row) {
	for _, line := range rows {
		if line.value != "" {
			fmt.Fprintf(w, "%-16s %s\n", line.label, printable(line.value))
		}
	}
}

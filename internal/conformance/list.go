package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// An item is one demand.
type item struct {
	id       string // a letter and a number, as O59
	level    string // how much of a demand it is: MUST, SHOULD, RFC, REF, REC
	demand   string
	notForUs string // why it does not apply, "" if it does
	section  string
}

// number orders items; it is what follows the letter.
func (i item) number() int {
	n, _ := strconv.Atoi(i.id[1:])
	return n
}

var itemID = regexp.MustCompile(`^[A-Z][0-9]+$`)

// readLists reads the lists of items in a folder, in order.
func readLists(dir string) ([]item, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		return nil, err
	}
	var all []item
	for _, file := range files {
		if filepath.Base(file) == parityFile {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		items, err := parseList(filepath.Base(file), string(text))
		if err != nil {
			return nil, err
		}
		all = append(all, items...)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s lists no items", dir)
	}
	slices.SortStableFunc(all, func(a, b item) int {
		return cmp.Or(strings.Compare(a.id[:1], b.id[:1]), cmp.Compare(a.number(), b.number()))
	})
	for i := 1; i < len(all); i++ {
		if all[i].id == all[i-1].id {
			return nil, fmt.Errorf("item %s is listed twice", all[i].id)
		}
	}
	return all, nil
}

// parseList reads one list. name is that of the file, for messages, and for the section of
// items that stand under no heading.
func parseList(name, text string) ([]item, error) {
	var items []item
	section := strings.TrimSuffix(name, ".txt")
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if heading, ok := strings.CutPrefix(line, "## "); ok {
			section = strings.TrimSpace(heading)
			continue
		}
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		it, err := parseItem(line)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, i+1, err)
		}
		it.section = section
		items = append(items, it)
	}
	return items, nil
}

func parseItem(line string) (item, error) {
	demand, reason, excepted := strings.Cut(line, " | ")
	fields := strings.Fields(demand)
	if len(fields) < 3 || !itemID.MatchString(fields[0]) {
		return item{}, fmt.Errorf("%q is not an item, a level and a demand", line)
	}
	it := item{id: fields[0], level: fields[1], demand: strings.Join(fields[2:], " ")}
	if excepted {
		why, ok := strings.CutPrefix(reason, "does not apply: ")
		if it.notForUs = strings.TrimSpace(why); !ok || it.notForUs == "" {
			return item{}, errors.New("what follows \" | \" is \"does not apply: \" and a reason")
		}
	}
	return it, nil
}

// itemsOf returns the items that the name of a subtest begins with. The name of a test
// function has none.
func itemsOf(subtest string) []string {
	var ids []string
	for word := range strings.SplitSeq(subtest, "_") {
		if !itemID.MatchString(word) {
			break
		}
		ids = append(ids, word)
	}
	return ids
}

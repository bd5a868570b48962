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
	id       string // a letter and a number, such as O59
	level    string // how strict the demand is: MUST, SHOULD, RFC, REF, REC
	demand   string
	notForUs string // why it does not apply; "" if it does
	departs  string // why this library departs from the text; "" if it does not
	notYet   string // what must be built first; "" if nothing
	section  string

	elsewhere []string // for a scenario: tests in the module e2e, such as "crash TestCrash" or "TestX/P77"
}

// number returns the number after the letter. Items are sorted by it.
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
		if base := filepath.Base(file); base == parityFile || base == scenarioFile {
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
	return all, inOrder(all)
}

// inOrder sorts items by their letters and numbers. An item that appears twice is an error.
func inOrder(items []item) error {
	slices.SortStableFunc(items, func(a, b item) int {
		return cmp.Or(strings.Compare(a.id[:1], b.id[:1]), cmp.Compare(a.number(), b.number()))
	})
	for i := 1; i < len(items); i++ {
		if items[i].id == items[i-1].id {
			return fmt.Errorf("item %s is listed twice", items[i].id)
		}
	}
	return nil
}

// parseList parses one list. name is the name of its file, for messages and as the section of items
// without a heading.
func parseList(name, text string) ([]item, error) { return parseLines(name, text, parseItem) }

func parseLines(name, text string, parse func(line string) (item, error)) ([]item, error) {
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
		it, err := parse(line)
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
		why, no := strings.CutPrefix(reason, "does not apply: ")
		how, other := strings.CutPrefix(reason, "departs: ")
		what, later := strings.CutPrefix(reason, "not yet: ")
		switch {
		case no && strings.TrimSpace(why) != "":
			it.notForUs = strings.TrimSpace(why)
		case other && strings.TrimSpace(how) != "":
			it.departs = strings.TrimSpace(how)
		case later && strings.TrimSpace(what) != "":
			it.notYet = strings.TrimSpace(what)
		default:
			return item{}, errors.New("what follows \" | \" is \"does not apply: \", \"departs: \" or \"not yet: \", and a reason")
		}
	}
	return it, nil
}

// itemsOf returns the items at the beginning of a subtest's name. The name of a test function has
// none.
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

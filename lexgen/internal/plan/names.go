package plan

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// initialisms are the words that are written in capitals. The table is frozen: a word
// more would rename what programs use already.
var initialisms = map[string]string{
	"api": "API", "apis": "APIs", "cid": "CID", "cids": "CIDs", "css": "CSS", "did": "DID", "dids": "DIDs",
	"dns": "DNS", "html": "HTML", "http": "HTTP", "https": "HTTPS", "id": "ID", "ids": "IDs", "ios": "IOS", "ip": "IP",
	"json": "JSON", "jwt": "JWT", "jwts": "JWTs", "nsid": "NSID", "nsids": "NSIDs", "rkey": "RKey", "rkeys": "RKeys", "sql": "SQL", "tid": "TID",
	"tids": "TIDs", "tls": "TLS", "ttl": "TTL", "ui": "UI", "uri": "URI", "uris": "URIs", "url": "URL",
	"urls": "URLs", "uuid": "UUID", "xrpc": "XRPC",
}

// camel turns a name of a lexicon into an exported Go name. It is total: what cannot
// stand in a Go name separates words, and a name that would not begin with a letter
// gets an X in front.
func camel(s string) string {
	var b strings.Builder
	for _, w := range words(unshout(s)) {
		if up, ok := initialisms[strings.ToLower(w)]; ok {
			b.WriteString(up)
			continue
		}
		b.WriteString(strings.ToUpper(w[:1]) + w[1:])
	}
	name := b.String()
	if name == "" || name[0] < 'A' || name[0] > 'Z' {
		return "X" + name
	}
	return name
}

// unshout takes SHOUTING_CASE for words.
func unshout(s string) string {
	if strings.Contains(s, "_") && s == strings.ToUpper(s) {
		return strings.ToLower(s)
	}
	return s
}

// words splits at everything but ASCII letters and digits, and where a new word
// begins with a capital.
func words(s string) []string {
	var out []string
	var word []rune
	flush := func() {
		if len(word) > 0 {
			out = append(out, string(word))
			word = nil
		}
	}
	runes := []rune(s)
	for i, r := range runes {
		if r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			flush()
			continue
		}
		if unicode.IsUpper(r) && len(word) > 0 {
			after := !unicode.IsUpper(word[len(word)-1])                                      // aB
			before := i+1 < len(runes) && unicode.IsLower(runes[i+1]) && !plural(runes[i+1:]) // ABc
			if after || before {
				flush()
			}
		}
		word = append(word, r)
	}
	flush()
	return out
}

// plural says that what follows an initialism is its s: DIDs.
func plural(rest []rune) bool {
	return rest[0] == 's' && (len(rest) == 1 || !unicode.IsLower(rest[1]))
}

// valueName is the part of a constant's name that stands for its value. "!hide" and
// "hide" are different values, so a sign in front is spelled out; so is a value without letters and digits.
func valueName(v string) string {
	if len(words(v)) == 0 {
		return spelledName(v)
	}
	if rest, ok := strings.CutPrefix(v, "!"); ok {
		return "Not" + camelTail(rest)
	}
	return camelTail(v)
}

// spelledName names a value with the code points of all that is neither letter nor digit.
func spelledName(v string) string {
	var b strings.Builder
	begin := true // of a word
	for _, r := range v {
		switch {
		case r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r):
			fmt.Fprintf(&b, "U%04X", r)
			begin = true
			continue
		case begin:
			r = unicode.ToUpper(r)
		}
		b.WriteRune(r)
		begin = false
	}
	if b.Len() == 0 {
		return "Empty"
	}
	return b.String()
}

// camelTail is camel for what never stands first.
func camelTail(s string) string {
	name := camel(s)
	if len(name) > 1 && name[0] == 'X' && name[1] >= '0' && name[1] <= '9' {
		return name[1:]
	}
	return name
}

var numbered = regexp.MustCompile(`^(.*?[A-Za-z])([0-9]*)$`)

// next counts a name up: Name, Name2, Name3.
func next(name string) string {
	m := numbered.FindStringSubmatch(name)
	if m == nil {
		return name + "X2"
	}
	n, _ := strconv.Atoi(m[2])
	return m[1] + strconv.Itoa(max(n, 1)+1)
}

// constrained are the endings of file names that the go command gives a meaning.
var constrained = map[string]bool{
	"test": true,
	"aix":  true, "android": true, "darwin": true, "dragonfly": true, "freebsd": true, "hurd": true, "illumos": true,
	"ios": true, "js": true, "linux": true, "nacl": true, "netbsd": true, "openbsd": true, "plan9": true,
	"solaris": true, "wasip1": true, "windows": true, "zos": true,
	"386": true, "amd64": true, "arm": true, "arm64": true, "loong64": true, "mips": true, "mipsle": true,
	"mips64": true, "mips64le": true, "ppc64": true, "ppc64le": true, "riscv64": true, "s390x": true, "wasm": true,
	"sparc64": true, "amd64p32": true, "armbe": true, "arm64be": true, "ppc": true, "riscv": true, "s390": true, "sparc": true,
}

// codecEnding is what the files have at their ends that hold the codecs of others; no file of a document ends so.
const codecEnding = "_codec.go"

// fileName is the file of a document: "repo_listrecords.go".
func fileName(segments []string) string {
	var safe []string
	for _, s := range segments {
		safe = append(safe, strings.ToLower(strings.ReplaceAll(s, "-", "")))
	}
	name := strings.Join(safe, "_")
	switch {
	case constrained[safe[len(safe)-1]], strings.HasSuffix("_"+name+".go", codecEnding):
		name += "_lexicon"
	case name == "client", name == "doc", name == "endpoints", name == "errors", name == "pages", name == "records":
		name += "_lexicon"
	}
	return name + ".go"
}

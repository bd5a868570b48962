package plan

import "testing"

func TestCamel(t *testing.T) {
	for name, want := range map[string]string{
		"repo": "Repo", "listRecords": "ListRecords", "uri": "URI", "cid": "CID", "did": "DID", "didDoc": "DIDDoc", "accessJwt": "AccessJWT",
		"recordUri": "RecordURI", "cids": "CIDs", "allDids": "AllDIDs", "DIDs": "DIDs", "plcOp": "PlcOp", "rkey": "RKey", "ios": "IOS", "SUBJECT_STATUS": "SubjectStatus", "NOT_FOUND": "NotFound", "OLD_DID": "OldDID", "HTTP": "HTTP", "max_size": "MaxSize", "strongRef": "StrongRef",
		"getDIDDoc": "GetDIDDoc", "HTTPServer": "HTTPServer", "identity": "Identity", "idea": "Idea", "ctx": "Ctx", "type": "Type", "c": "C",
		"1st": "X1st", "foo.bar": "FooBar", "cid-link": "CIDLink", "_x": "X", "é": "X", "": "X", "a1b": "A1b", "utf8Text": "Utf8Text", "*/": "X",
	} {
		if got := camel(name); got != want {
			t.Errorf("camel(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestFileName(t *testing.T) {
	for _, tc := range []struct {
		segments []string
		want     string
	}{
		{[]string{"repo", "listRecords"}, "repo_listrecords.go"},
		{[]string{"feed", "test"}, "feed_test_lexicon.go"},
		{[]string{"graph", "windows"}, "graph_windows_lexicon.go"},
		{[]string{"client"}, "client_lexicon.go"},
		{[]string{"video", "codec"}, "video_codec_lexicon.go"},
		{[]string{"endpoints"}, "endpoints_lexicon.go"},
		{[]string{"my-group", "x"}, "mygroup_x.go"},
	} {
		if got := fileName(tc.segments); got != tc.want {
			t.Errorf("fileName(%q) = %q, want %q", tc.segments, got, tc.want)
		}
	}
}

func TestDocOf(t *testing.T) {
	for _, tc := range []struct{ name, lead, text, want string }{
		{"plain", "A is b", "Some text", "A is b: Some text."},
		{"nothing", "A is b", "", "A is b."},
		{"L10 deprecated", "A is b", "DEPRECATED: use c", "A is b.|Deprecated: use c."},
		{"L10 deprecated, in brackets", "", "[DEPRECATED] use c", "Deprecated: use c."},
		{"L10 deprecated, at the end", "A is b", "Some text. DEPRECATED: use c.", "A is b: Some text.|Deprecated: use c."},
		{"L10 deprecated without a word", "", "Deprecated", "Deprecated: the lexicon says no more."},
		{"a remark in front", "A is b", "[NOTE: This may change]. Some text", "A is b: Some text.|Note: This may change."},
		{"a remark and nothing else", "A is b", "[NOTE: This may change.]", "A is b.|Note: This may change."},
		{"an end in brackets", "", "Some text (and more)", "Some text (and more)."},
		{"a sentence in brackets", "", "Some text. (And more.)", "Some text. (And more.)"},
		{"P43 control characters", "", "a\r\n\tb\u2028c\x00d\u202ee\ufefff", "a b c def."},
		{"P43 build constraints", "", "+build ignore", "'+build' ignore."},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := ""
			for i, p := range docOf(tc.lead, tc.text) {
				if i > 0 {
					got += "|"
				}
				got += p
			}
			if got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}

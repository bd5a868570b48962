package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

func TestResolveDocument(t *testing.T) {
	u := newUser(t)
	for _, who := range []string{"alice.test", alice} {
		r := u.do("resolve", who, "--document")
		r.want(t, 0, `"alsoKnownAs": [`, `"at://alice.test"`, "{\n  \"")
		if r = u.do("resolve", who, "--document", "--json"); strings.Count(r.stdout, "\n") != 1 || !json.Valid([]byte(r.stdout)) {
			t.Errorf("got %+v", r)
		}
	}
	t.Run("that names no server", func(t *testing.T) {
		u := newUser(t)
		u.server.SetDIDDocument(alice, []byte(`{"id":"`+alice+`","more":"`+"\u009b"+`31m"}`))
		u.do("resolve", alice, "--document").want(t, 0, `"more": "\u009b31m"`)
	})
}

const plcLog = `[
 {"did":"x","cid":"bafyone","nullified":false,"createdAt":"2022-11-17T00:35:16.391Z","operation":{"sig":"s","prev":null,"type":"create","handle":"old.test","service":"https://old.test","signingKey":"did:key:sign","recoveryKey":"did:key:recover"}},
 {"did":"x","cid":"bafytwo","nullified":true,"createdAt":"2023-01-01T00:00:00.000Z","operation":{"sig":"s","prev":"bafyone","type":"plc_operation","alsoKnownAs":["at://evil.test\u001b[31m"],"rotationKeys":["did:key:evil"],"services":{},"verificationMethods":{}}},
 {"did":"x","cid":"bafythree","nullified":false,"createdAt":"2023-01-02T00:00:00.000Z","operation":{"sig":"s","prev":"bafyone","type":"plc_operation","alsoKnownAs":["at://alice.test"],"rotationKeys":["did:key:r1","did:key:r2"],
  "services":{"atproto_labeler":{"type":"AtprotoLabeler","endpoint":"https://labeler.test"},"atproto_pds":{"type":"AtprotoPersonalDataServer","endpoint":"https://pds.test"}},"verificationMethods":{"atproto":"did:key:a"}}}
]`

func TestResolveHistory(t *testing.T) {
	const path = "/" + alice + "/log/audit"
	u := newUser(t).tapped(map[string]func(*http.Request) *http.Response{path: answer(200, "application/json", plcLog)})
	for _, who := range []string{"alice.test", alice} {
		r := u.do("resolve", who, "--history")
		r.want(t, 0)
		want := `time             2022-11-17T00:35:16.391Z
operation        create
CID              bafyone
handle           old.test
PDS              https://old.test
key atproto      did:key:sign
rotation key     did:key:recover

time             2023-01-01T00:00:00.000Z
operation        plc_operation  (taken back since)
CID              bafytwo
handle           evil.test�[31m
rotation key     did:key:evil

time             2023-01-02T00:00:00.000Z
operation        plc_operation
CID              bafythree
handle           alice.test
atproto_labeler  https://labeler.test
PDS              https://pds.test
key atproto      did:key:a
rotation key     did:key:r1
rotation key     did:key:r2
`
		if r.stdout != want {
			t.Errorf("got\n%s", r.stdout)
		}
	}
	r := u.do("resolve", alice, "--history", "--json")
	var log []json.RawMessage
	if err := json.Unmarshal([]byte(r.stdout), &log); err != nil || len(log) != 3 || strings.Count(r.stdout, "\n") != 1 {
		t.Errorf("got %+v", r)
	}
	for name, tt := range map[string]struct {
		answer func(*http.Request) *http.Response
		want   string
	}{
		"that is not kept":            {answer(404, "application/json", `{}`), "this PLC directory has " + alice + ", but keeps no log: --document prints what it has"},
		"that is no JSON":             {answer(200, "application/json", `{`), "cannot be read"},
		"that is a page":              {answer(200, "text/html", `<html>`), "try again later"},
		"of a directory that is down": {answer(503, "text/plain", ``), "try again later"},
		"that is endless":             {answer(200, "application/json", "[\""+strings.Repeat("x", 9<<20)+"\"]"), "try again later"},
	} {
		t.Run(name, func(t *testing.T) {
			newUser(t).tapped(map[string]func(*http.Request) *http.Response{path: tt.answer}).do("resolve", alice, "--history").want(t, 1, tt.want)
		})
	}
}

func TestResolveHistoryWithoutALog(t *testing.T) {
	u := newUser(t)
	u.do("resolve", "alice.test", "--history").want(t, 1, "keeps no log: --document prints what it has")
	u.do("resolve", "did:plc:zzzzzzzzzzzzzzzzzzzzzzzz", "--history").want(t, 1, "the PLC directory has no did:plc:zzzzzzzzzzzzzzzzzzzzzzzz")
}

func TestWrongUsesOfDocumentAndHistory(t *testing.T) {
	for _, tt := range []struct {
		args   string
		status int
		want   string
	}{
		{"alice.test --document --history", 2, "leave one of them out"},
		{"https://pds.test --document", 1, "is a server: give the handle or the DID"},
		{"https://pds.test --history", 1, "is a server: give the handle or the DID"},
		{"nobody.test --history", 1, "no such account is found: DNS does not know the name"},
		{"nobody.test --document", 1, "no such account is found: DNS does not know the name"},
		{"did:web:alice.test --history", 1, "only a did:plc has one"},
		{"alice --document", 1, "type the whole of it"},
	} {
		t.Run(tt.args, func(t *testing.T) {
			newUser(t).do(append([]string{"resolve"}, strings.Fields(tt.args)...)...).want(t, tt.status, tt.want)
		})
	}
}

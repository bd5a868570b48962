package main

import (
	"encoding/json"
	"runtime/debug"
	"strings"
	"testing"
)

func TestVersion(t *testing.T) {
	if r := atproto(t, "version"); r.status != 0 || !strings.HasPrefix(r.stdout, "atproto ") {
		t.Errorf("got %+v", r)
	}
	var v version
	if err := json.Unmarshal([]byte(atproto(t, "version", "--json").stdout), &v); err != nil || v.Version == "" {
		t.Errorf("got %+v, %v", v, err)
	}
	for want, info := range map[string]*debug.BuildInfo{
		"atproto unknown":           nil,
		"atproto v1.2.3 (go1.26.0)": {GoVersion: "go1.26.0", Main: debug.Module{Version: "v1.2.3"}},
		"atproto (devel) (go1.26.0, commit 0123456789ab, changed since)": {
			GoVersion: "go1.26.0", Main: debug.Module{Version: "(devel)"},
			Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "0123456789abcdef"}, {Key: "vcs.modified", Value: "true"}},
		},
	} {
		if got := versionOf(info).String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

package identity_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A directory is what one PLC directory says of alice.
type directory struct {
	pds    string // the first label of the PDS in its document; "": it is down; "404": it knows no alice
	log    string // its log; "": it has none
	spaced bool   // it writes the same JSON in another way
}

const (
	first   = `{"createdAt": "2026-01-01T00:00:00.000Z", "nullified": false}`
	second  = `{"createdAt": "2026-02-01T00:00:00.000Z", "nullified": false}`
	undone  = `{"createdAt": "2026-03-01T00:00:00.000Z", "nullified": true}`
	undated = `{"createdAt": "yesterday", "nullified": false}`
	odd     = `{"createdAt": "2026-03-01T00:00:00.000Z", "nullified": "no"}`
)

// publish makes w the answers of directories one, two and so on.
func publish(w *web, directories []directory) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pages, w.seen = map[string]page{}, nil
	for i, d := range directories {
		url := "https://" + []string{"one", "two", "three"}[i] + ".test/" + string(alice)
		switch d.pds {
		case "":
			w.pages[url] = page{status: 503}
		case "404":
			w.pages[url] = page{status: 404}
		default:
			body := document(alice, "at://alice.test", "https://"+d.pds+".test")
			if d.spaced {
				body = strings.ReplaceAll(body, "\n", "") + "\n"
			}
			w.pages[url] = page{kind: "application/json", body: body}
		}
		w.pages[url+"/log/audit"] = page{status: 404}
		if d.log != "" {
			w.pages[url+"/log/audit"] = page{kind: "application/json", body: d.log}
		}
	}
}

func logOf(changes ...string) string { return "[" + strings.Join(changes, ",") + "]" }

func TestDirectoriesThatLag(t *testing.T) {
	behind, ahead := logOf(first), logOf(first, second)
	// A step is what directories say, the PDS that is found ("" if none), and how much is asked.
	type step struct {
		directories []directory
		want        string
		asked       int
	}
	for _, tt := range []struct {
		name  string
		steps []step
	}{
		{"a mirror that was down and lags is asked at the next, and not believed", []step{
			{[]directory{{"", "", false}, {"new", ahead, false}}, "new", 2},
			{[]directory{{"old", behind, false}, {"new", ahead, false}}, "new", 4},
			{[]directory{{"new", ahead, false}, {"new", ahead, false}}, "new", 1},
		}},
		{"the order does not matter where logs tell", []step{
			{[]directory{{"", "", false}, {"old", behind, false}}, "old", 2},
			{[]directory{{"new", ahead, false}, {"old", behind, false}}, "new", 4},
			{[]directory{{"new", ahead, false}, {"old", behind, false}}, "new", 1},
		}},
		{"a change is confirmed once", []step{
			{[]directory{{"old", behind, false}, {"old", behind, false}}, "old", 1},
			{[]directory{{"new", ahead, false}, {"new", ahead, false}}, "new", 2},
			{[]directory{{"new", ahead, false}, {"new", ahead, false}}, "new", 1},
		}},
		{"a change that was taken back does not count", []step{
			{[]directory{{"", "", false}, {"new", ahead, false}}, "new", 2},
			{[]directory{{"old", logOf(first, undone), false}, {"new", ahead, false}}, "new", 4},
		}},
		{"without logs the later one is believed", []step{
			{[]directory{{"", "", false}, {"new", "", false}}, "new", 2},
			{[]directory{{"old", "", false}, {"new", "", false}}, "new", 3},
			{[]directory{{"old", behind, false}, {"new", "", false}}, "new", 4},
			{[]directory{{"old", logOf(first, undated), false}, {"new", behind, false}}, "new", 3},
			{[]directory{{"old", logOf(odd), false}, {"new", behind, false}}, "new", 3},
			{[]directory{{"old", "{}", false}, {"new", behind, false}}, "new", 3},
			{[]directory{{"old", "[]", false}, {"new", behind, false}}, "new", 3},
			{[]directory{{"old", behind, false}, {"new", behind, false}}, "new", 4},
		}},
		{"without logs, but not with what it was seen to replace", []step{
			{[]directory{{"old", "", false}, {"old", "", false}}, "old", 1},
			{[]directory{{"new", "", false}, {"new", "", false}}, "new", 2},
			{[]directory{{"newer", "", false}, {"old", "", false}}, "newer", 3},
		}},
		{"a mirror that has what was replaced is not believed while the next is down", []step{
			{[]directory{{"old", "", false}, {"old", "", false}}, "old", 1},
			{[]directory{{"", "", false}, {"new", "", false}}, "new", 2},
			{[]directory{{"old", "", false}, {"", "", false}}, "", 2},
			{[]directory{{"old", "", false}, {"404", "", false}}, "old", 2},
		}},
		{"an account that goes back is followed", []step{
			{[]directory{{"old", "", false}, {"old", "", false}}, "old", 1},
			{[]directory{{"new", "", false}, {"new", "", false}}, "new", 2},
			{[]directory{{"old", "", false}, {"old", "", false}}, "old", 2},
			{[]directory{{"new", "", false}, {"", "", false}}, "", 2},
			{[]directory{{"old", "", false}, {"", "", false}}, "old", 1},
		}},
		{"news is believed while the next is down", []step{
			{[]directory{{"old", "", false}, {"old", "", false}}, "old", 1},
			{[]directory{{"new", "", false}, {"", "", false}}, "new", 2},
		}},
		{"another way to write the same is no news", []step{
			{[]directory{{"old", "", false}, {"old", "", false}}, "old", 1},
			{[]directory{{"old", "", true}, {"old", "", false}}, "old", 1},
		}},
		{"of three, two lag", []step{
			{[]directory{{"", "", false}, {"", "", false}, {"new", ahead, false}}, "new", 3},
			{[]directory{{"old", behind, false}, {"old", behind, true}, {"new", ahead, false}}, "new", 5},
		}},
		{"a single directory is believed", []step{
			{[]directory{{"old", "", false}}, "old", 1},
			{[]directory{{"new", "", false}}, "new", 1},
			{[]directory{{"old", "", false}}, "old", 1},
		}},
	} {
		t.Run("O30 "+tt.name, func(t *testing.T) {
			w := new(web)
			urls := []string{"https://one.test", "https://two.test/", "https://three.test"}[:len(tt.steps[0].directories)]
			r := identity.NewResolver(identity.Config{UnguardedTransport: w, Directories: urls})
			for i, s := range tt.steps {
				publish(w, s.directories)
				doc, err := r.ResolveDID(t.Context(), alice)
				if s.want == "" {
					checkKind(t, err, string(alice), identity.ErrUnreachable)
					if !strings.Contains(fmt.Sprint(err), "is behind") {
						t.Errorf("step %d: %v does not say who is behind", i, err)
					}
				} else if err != nil {
					t.Fatalf("step %d: %v", i, err)
				} else if pds, _ := doc.PDS(); pds != "https://"+s.want+".test" {
					t.Errorf("step %d: found %s, want %s", i, pds, s.want)
				}
				if len(w.seen) != s.asked {
					t.Errorf("step %d: asked %v, want %d", i, w.seen, s.asked)
				}
			}
		})
	}
	t.Run("O30 what was replaced long ago is news", func(t *testing.T) {
		w := new(web)
		r := identity.NewResolver(identity.Config{UnguardedTransport: w, Directories: []string{"https://one.test", "https://two.test"}})
		var found []string
		for _, pds := range []string{"a", "b", "c", "d", "e", "f", "a"} {
			publish(w, []directory{{pds: pds}, {}})
			doc, err := r.ResolveDID(t.Context(), alice)
			if err != nil {
				t.Fatal(err)
			}
			origin, _ := doc.PDS()
			found = append(found, origin)
		}
		if diff := cmp.Diff("https://a.test", found[len(found)-1]); diff != "" {
			t.Error(diff)
		}
		publish(w, []directory{{pds: "d"}, {}})
		if _, err := r.ResolveDID(t.Context(), alice); !errors.Is(err, identity.ErrUnreachable) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("O30 a lagging mirror does not bring an account's old server back through a cache", func(t *testing.T) {
		w := new(web)
		resolver := identity.NewCache(identity.NewResolver(identity.Config{
			UnguardedTransport: w, LookupTXT: zone{"_atproto.alice.test": {"did=" + string(alice)}}.lookup,
			Directories: []string{"https://one.test", "https://two.test"},
		}), identity.CacheConfig{})
		for i, directories := range [][]directory{
			{{pds: "old", log: behind}, {pds: "old", log: behind}},
			{{pds: "404"}, {pds: "new", log: ahead}},
			{{pds: "old", log: behind}, {pds: "new", log: ahead}},
		} {
			publish(w, directories)
			account, err := identity.Lookup(t.Context(), resolver.Fresh(), syntax.AtIdentifier(alice))
			if err != nil {
				t.Fatal(err)
			}
			if want := []string{"https://old.test", "https://new.test", "https://new.test"}[i]; account.PDS != want {
				t.Errorf("step %d: found %s, want %s", i, account.PDS, want)
			}
		}
	})
}

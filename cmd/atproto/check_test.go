package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
)

const (
	checkedURL  = "https://app.example.com/client-metadata.json"
	checkedKeys = "https://app.example.com/jwks.json"
)

// serve answers with a document, as it should be.
func serve(body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		fmt.Fprint(w, body)
	}
}

// metadata is the document of a public web client in order; change may spoil it.
func metadata(tb testing.TB, change func(map[string]any)) string {
	tb.Helper()
	d := map[string]any{
		"client_id": checkedURL, "client_name": "An app", "grant_types": []string{"authorization_code", "refresh_token"},
		"response_types": []string{"code"}, "redirect_uris": []string{"https://app.example.com/cb"}, "scope": "atproto",
		"dpop_bound_access_tokens": true, "token_endpoint_auth_method": "none",
	}
	if change != nil {
		change(d)
	}
	data, err := json.Marshal(d)
	if err != nil {
		tb.Fatal(err)
	}
	return string(data)
}

func TestCheckOfDocumentsInOrder(t *testing.T) {
	t.Run("a public client", func(t *testing.T) {
		r := on(t, site{checkedURL: serve(metadata(t, nil))}, "check", checkedURL)
		r.want(t, 0)
		if want := checkedURL + "\npublic web client\n\nno problems, no warnings\n"; r.stdout != want || r.stderr != "" {
			t.Errorf("got %q and %q", r.stdout, r.stderr)
		}
	})
	t.Run("what metadata writes, with keys elsewhere", func(t *testing.T) {
		r := on(t, site{
			checkedURL:  serve(readFile(t, "testdata/published-keys/client-metadata.json")),
			checkedKeys: serve(readFile(t, "testdata/published-keys/jwks.json")),
		}, "check", checkedURL)
		r.want(t, 0, "confidential web client", "no problems, 1 warning", "client_name is missing")
	})
	t.Run("what a client's handlers serve, of which the sandbox has the same opinion", func(t *testing.T) {
		server := oauthtest.NewServer()
		defer server.Close()
		cfg := oauth.Config{ClientID: checkedURL, RedirectURIs: []string{"https://app.example.com/cb"}, Scope: "atproto", Info: oauth.ClientInfo{Name: "An app"}}
		server.Environment().Configure(&cfg)
		client, err := oauth.NewClient(cfg)
		if err != nil {
			t.Fatal(err)
		}
		server.Publish(checkedURL, client.Metadata())
		if _, err := client.Authorize(t.Context(), "alice.test"); err != nil {
			t.Error(err)
		}
		on(t, site{checkedURL: client.MetadataHandler().ServeHTTP}, "check", checkedURL).want(t, 0, "no problems, no warnings")
	})
}

func TestCheckSaysWhatServersRefuse(t *testing.T) {
	public := metadata(t, nil)
	document := func(change func(map[string]any)) site { return site{checkedURL: serve(metadata(t, change))} }
	confidential := func(keys http.HandlerFunc) site {
		return site{checkedURL: serve(metadata(t, func(d map[string]any) {
			d["token_endpoint_auth_method"], d["token_endpoint_auth_signing_alg"], d["jwks_uri"] = "private_key_jwt", "ES256", checkedKeys
		})), checkedKeys: keys}
	}
	for _, tt := range []struct {
		name string
		site site
		url  string // "": checkedURL
		want []string
	}{
		{"O2 another success", site{checkedURL: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(203)
			fmt.Fprint(w, public)
		}}, "", []string{"status 203: servers take 200 and nothing else"}},
		{"O2 not found", site{checkedURL: http.NotFound}, "", []string{"status 404"}},
		{"O2 a redirect", site{checkedURL: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://app.example.com/other.json", http.StatusFound)
		}, "https://app.example.com/other.json": serve(public)}, "", []string{"redirects (status 302): servers do not follow"}},
		{"O2 another content type", site{checkedURL: serve(public, "Content-Type", "text/html")}, "", []string{`content type "text/html"`}},
		{"O2 not JSON", site{checkedURL: serve("<html>")}, "", []string{"the document is not a JSON object"}},
		{"O2 a list", site{checkedURL: serve("[" + public + "]")}, "", []string{"the document is not a JSON object"}},
		{"O2 too large", site{checkedURL: serve(public + strings.Repeat(" ", 512<<10))}, "", []string{"more than 512 KiB"}},
		{"O3 another client_id", document(func(d map[string]any) { d["client_id"] = "https://app.example.com/other.json" }), "",
			[]string{`client_id is "https://app.example.com/other.json" and not the document's URL`}},
		{"O3 a client_id that differs in one letter", document(func(d map[string]any) { d["client_id"] = checkedURL + "?" }), "", []string{"byte by byte"}},
		{"O3 no client_id", document(func(d map[string]any) { delete(d, "client_id") }), "", []string{"client_id is missing"}},
		{"O1 a URL that is no client_id", site{"https://app.example.com/m/": serve(metadata(t, func(d map[string]any) { d["client_id"] = "https://app.example.com/m/" }))},
			"https://app.example.com/m/", []string{"needs the path of a document"}},
		{"O1 an address", site{}, "https://10.0.0.1/m.json", []string{"does not lead to the public Internet", "does not name a public host"}},
		{"O1 http", site{}, "http://app.example.com/m.json", []string{"without port, path"}},
		{"O9 a redirect", document(func(d map[string]any) { d["redirect_uris"] = []string{"http://app.example.com/cb"} }), "",
			[]string{`redirect_uris[0] "http://app.example.com/cb" must be https`}},
		{"O14 several at once", document(func(d map[string]any) { delete(d, "dpop_bound_access_tokens"); d["scope"] = "x" }), "",
			[]string{"scope", "dpop_bound_access_tokens", "2 problems"}},
		{"O15 keys that are not there", confidential(http.NotFound), "", []string{checkedKeys + ": the answer has status 404"}},
		{"O15 no keys", confidential(serve(`{"keys":[]}`)), "", []string{checkedKeys + ": keys has no key"}},
		{"O15 no key set", confidential(serve(`[]`)), "", []string{checkedKeys + ": is not an object with a list of keys"}},
		{"O15 keys by another name", confidential(serve(strings.Replace(readFile(t, "testdata/confidential/jwks.json"), `"keys"`, `"KEYS"`, 1))), "",
			[]string{checkedKeys + ": is not an object with a list of keys"}},
		{"O15 a private key and no set", confidential(serve(readFile(t, "testdata/old.json"))), "",
			[]string{"A PRIVATE KEY IS PUBLIC:\n  " + checkedKeys + ": d publishes the PRIVATE key"}},
		{"O15 a private key as PEM", confidential(serve(readFile(t, "testdata/key.pem"))), "",
			[]string{"A PRIVATE KEY IS PUBLIC:\n  " + checkedKeys + ": publishes the PRIVATE key"}},
		{"O15 a private key instead of the document", site{checkedURL: serve(readFile(t, "testdata/old.json"))}, "",
			[]string{"A PRIVATE KEY IS PUBLIC:\n  d publishes the PRIVATE key"}},
		{"O15 a list of private keys instead of the document", site{checkedURL: serve(`[` + readFile(t, "testdata/old.json") + `]`)}, "",
			[]string{"A PRIVATE KEY IS PUBLIC:\n  [0].d publishes the PRIVATE key", "the document is not a JSON object"}},
		{"O15 a key without kid", confidential(serve(strings.ReplaceAll(readFile(t, "testdata/confidential/jwks.json"), "kid", "id"))), "",
			[]string{checkedKeys + ": keys[0].kid is missing"}},
		{"O15 a key on another curve", confidential(serve(strings.ReplaceAll(readFile(t, "testdata/confidential/jwks.json"), "P-256", "P-521"))), "",
			[]string{checkedKeys + ": keys[0] is not an ECDSA key on P-256"}},
		{"O15 a private key", confidential(serve(`{"keys":[` + readFile(t, "testdata/old.json") + `]}`)), "",
			[]string{"A PRIVATE KEY IS PUBLIC:\n  " + checkedKeys + ": keys[0].d publishes the PRIVATE key"}},
		{"O15 keys by http", document(func(d map[string]any) {
			d["token_endpoint_auth_method"], d["token_endpoint_auth_signing_alg"], d["jwks_uri"] = "private_key_jwt", "ES256", "http://app.example.com/jwks.json"
		}), "", []string{"jwks_uri", "1 problem,"}},
		{"O15 keys on a private address", document(func(d map[string]any) {
			d["token_endpoint_auth_method"], d["token_endpoint_auth_signing_alg"], d["jwks_uri"] = "private_key_jwt", "ES256", "https://192.168.0.1/jwks.json"
		}), "", []string{"jwks_uri", "1 problem,"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.url == "" {
				tt.url = checkedURL
			}
			r := on(t, tt.site, "check", tt.url)
			r.want(t, 1, tt.want...)
			if r.stderr != "" {
				t.Errorf("standard error: %s", r.stderr)
			}
		})
	}
}

func TestCheckWarns(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(map[string]any)
		header []string
		want   string // "": nothing
	}{
		{"a short cache", nil, []string{"Cache-Control", "public, max-age=600"}, ""},
		{"a long cache", nil, []string{"Cache-Control", "public, Max-Age=86400"}, "24h0m0s"},
		{"a cache header that says nothing", nil, []string{"Cache-Control", "max-age=x, no-transform, max-age"}, ""},
		{"no name", func(d map[string]any) { delete(d, "client_name") }, nil, "client_name is missing"},
		{"no refresh", func(d map[string]any) { d["grant_types"] = []string{"authorization_code"} }, nil, `grant_types lacks "refresh_token"`},
		{"keys of a public client", func(d map[string]any) { d["jwks"] = json.RawMessage(readFile(t, "testdata/confidential/jwks.json")) }, nil, "the keys are not used"},
		{"O11 a redirect elsewhere", func(d map[string]any) {
			d["redirect_uris"] = []string{"https://app.example.com/", "https://app.example.net/"}
		}, nil, "redirect_uris[1]"},
		{"a native client's own scheme", func(d map[string]any) {
			d["application_type"], d["redirect_uris"] = "native", []string{"com.example.app:/cb"}
		}, nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := on(t, site{checkedURL: serve(metadata(t, tt.change), tt.header...)}, "check", checkedURL)
			if tt.want == "" {
				r.want(t, 0, "no problems, no warnings")
			} else {
				r.want(t, 0, "no problems, 1 warning", "Worth a look:", tt.want)
			}
		})
	}
}

func TestCheckPrints(t *testing.T) {
	spoiled := site{
		checkedURL: serve(metadata(t, func(d map[string]any) {
			delete(d, "client_name")
			d["redirect_uris"] = []string{"https://app.example.com/cb", "myapp:/cb"}
			d["token_endpoint_auth_method"], d["token_endpoint_auth_signing_alg"], d["jwks_uri"] = "private_key_jwt", "ES256", checkedKeys
		})),
		checkedKeys: serve(`{"keys":[`+readFile(t, "testdata/old.json")+`]}`, "Cache-Control", "max-age=7200"),
	}
	development := "http://localhost?scope=atproto+transition%3Ageneric&redirect_uri=http%3A%2F%2F127.0.0.1%3A8080%2Fcb&redirect_uri=http%3A%2F%2Flocalhost%2Fcb"
	for _, tt := range []struct {
		items, file string
		args        []string
	}{
		{"O10 O15", "testdata/check/problems.txt", []string{checkedURL}},
		{"O10 O15", "testdata/check/problems.json", []string{"--json", checkedURL}},
		{"O22 O23", "testdata/check/development.txt", []string{development}},
		{"O22 O23", "testdata/check/development.json", []string{"--json", development}},
	} {
		t.Run(tt.items+" "+tt.file, func(t *testing.T) {
			r := on(t, spoiled, append([]string{"check"}, tt.args...)...)
			r.want(t, 1)
			golden(t, tt.file, []byte(r.stdout))
		})
	}
	t.Run("as JSON, without problems", func(t *testing.T) {
		r := on(t, site{checkedURL: serve("{}")}, "check", "--json", "http://localhost")
		r.want(t, 0)
		var got struct {
			Client             string
			Problems, Warnings []any
			Document           map[string]any
		}
		if err := json.Unmarshal([]byte(r.stdout), &got); err != nil {
			t.Fatal(err)
		}
		if got.Client != "public native client" || got.Problems == nil || got.Warnings == nil || len(got.Problems)+len(got.Warnings) != 0 || got.Document["application_type"] != "native" {
			t.Errorf("got %+v", got)
		}
	})
	private := readFile(t, "testdata/old.json")
	for _, tt := range []struct{ name, place, value, field string }{
		{"a set", "jwks", `{"keys":[` + private + `]}`, "jwks.keys[0].d"},
		{"one key", "jwks", private, "jwks.d"},
		{"a list", "jwks", `[` + private + `]`, "jwks[0].d"},
		{"a string", "jwks", strconv.Quote(private), "jwks"},
		{"another field", "keys", private, "keys.d"},
		{"a link", "logo_uri", strconv.Quote(private), "logo_uri"},
		{"the client_id", "client_id", strconv.Quote(private), "client_id"},
		{"PEM", "policy_uri", strconv.Quote(readFile(t, "testdata/key.pem")), "policy_uri"},
	} {
		t.Run("O15 a private key in the document without repeating it, as "+tt.name, func(t *testing.T) {
			spoiled := site{checkedURL: serve(metadata(t, func(d map[string]any) { d[tt.place] = json.RawMessage(tt.value) }))}
			var key struct{ D string }
			if err := json.Unmarshal([]byte(private), &key); err != nil || key.D == "" {
				t.Fatal(err)
			}
			pem := strings.Split(readFile(t, "testdata/key.pem"), "\n")[1]
			for _, args := range [][]string{{"check", "--json", checkedURL}, {"check", checkedURL}} {
				r := on(t, spoiled, args...)
				r.want(t, 1, tt.field)
				if strings.Contains(r.stdout, key.D) || strings.Contains(r.stdout, pem) {
					t.Error(r.stdout)
				}
			}
			on(t, spoiled, "check", "--json", checkedURL).want(t, 1, `"field": "`+tt.field+`"`, `"secret": true`)
		})
	}
	t.Run("nothing that a terminal acts on", func(t *testing.T) {
		r := on(t, site{checkedURL: serve(metadata(t, func(d map[string]any) {
			d["jwks"] = json.RawMessage(`{"keys":[{"key_ops":["` + "\u009b31m" + `"]}]}`)
		}))}, "check", checkedURL)
		r.want(t, 1, "key_ops")
		if strings.Contains(r.stdout, "\u009b") {
			t.Errorf("%q", r.stdout)
		}
	})
	t.Run("nothing that a terminal acts on as JSON, and the same value", func(t *testing.T) {
		const name = "a\x1b[31m\u009b\u202e\U000e0001 é"
		r := on(t, site{checkedURL: serve(metadata(t, func(d map[string]any) { d["client_name"] = name }))}, "check", "--json", checkedURL)
		r.want(t, 0, `"a\u001b[31m\u009b\u202e\udb40\udc01 é"`)
		var got struct{ Document map[string]any }
		if err := json.Unmarshal([]byte(r.stdout), &got); err != nil || got.Document["client_name"] != name {
			t.Errorf("%v: %q", err, got.Document["client_name"])
		}
	})
}

func TestCheckOfADevelopmentClient(t *testing.T) {
	for _, tt := range []struct {
		name, id string
		status   int
		want     []string
	}{
		{"O23 in order", "http://localhost?redirect_uri=http%3A%2F%2F127.0.0.1%2Fcb", 0, []string{`"application_type": "native"`, `"http://127.0.0.1/cb"`, "two weeks", "no problems, no warnings"}},
		{"O22 a port", "http://localhost?redirect_uri=http%3A%2F%2F127.0.0.1%3A1234%2Fcb", 0, []string{"names a port", "1 warning"}},
		{"O20 a port of its own", "http://localhost:3000", 1, []string{"without port"}},
		{"O20 another parameter", "http://localhost?a=b", 1, []string{`parameter "a"`}},
		{"O21 no atproto", "http://localhost?scope=x", 1, []string{`scope "x" lacks "atproto"`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			on(t, site{}, "check", tt.id).want(t, tt.status, tt.want...)
		})
	}
}

func TestCheckOfAHostForDevelopment(t *testing.T) {
	var mux http.ServeMux
	server := httptest.NewServer(&mux)
	defer server.Close()
	mux.HandleFunc("/client-metadata.json", serve(metadata(t, nil)))
	mux.HandleFunc("/keys.json", serve(metadata(t, func(d map[string]any) {
		d["token_endpoint_auth_method"], d["token_endpoint_auth_signing_alg"] = "private_key_jwt", "ES256"
		d["jwks_uri"] = strings.Replace(server.URL, "127.0.0.1", "localhost", 1) + "/jwks.json"
	})))
	mux.HandleFunc("/jwks.json", func(http.ResponseWriter, *http.Request) { t.Error("another host was asked") })
	target := server.URL + "/client-metadata.json"

	t.Run("P24 is refused unless it is allowed", func(t *testing.T) {
		atproto(t, "check", target).want(t, 1, "without port")
		atproto(t, "check", "--allow-host", "localhost", target).want(t, 1, "without port")
		atproto(t, "check", "--allow-host", "localhost", strings.Replace(target, "http:", "https:", 1)).want(t, 1, "target not allowed")
	})
	t.Run("may be allowed, and serve the document of another URL", func(t *testing.T) {
		atproto(t, "check", "--allow-host", "127.0.0.1", target).want(t, 0, "once it is published", "no problems, 1 warning")
		atproto(t, "check", "--allow-host", "[::1]", "--allow-host", "127.0.0.1", target).want(t, 0)
	})
	t.Run("O15 the keys are on a host that is not", func(t *testing.T) {
		atproto(t, "check", "--allow-host=127.0.0.1", server.URL+"/keys.json").want(t, 1, "jwks_uri")
	})
	t.Run("is reported when it does not answer", func(t *testing.T) {
		r := atproto(t, "check", "--allow-host", "127.0.0.1", server.URL+"/none")
		r.want(t, 1, "status 404", "1 problem,")
	})
}

func TestCheckEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errs strings.Builder
	p := &program{stdout: &out, stderr: &errs, roundTripper: waiting{}}
	if status := p.run(ctx, []string{"check", checkedURL}); status != 130 || !strings.Contains(errs.String(), "context canceled") || out.Len() != 0 {
		t.Errorf("an interrupt: status %d, %s%s", status, out.String(), errs.String())
	}
}

func TestCheckWaitsAsLongAsItIsTold(t *testing.T) {
	for _, limit := range []time.Duration{time.Second, time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			started := time.Now()
			r := over(t, waiting{}, "check", "--timeout", limit.String(), checkedURL)
			r.want(t, 1, "Could not be fetched:\n  its host did not answer in time\n", "no problems, no warnings, 1 document could not be fetched")
			if took := time.Since(started); took != limit {
				t.Errorf("it took %s, not %s", took, limit)
			}
		})
	}
}

func TestCheckKeepsWhatItCannotFetchApart(t *testing.T) {
	document := metadata(t, func(d map[string]any) {
		d["token_endpoint_auth_method"], d["token_endpoint_auth_signing_alg"], d["jwks_uri"] = "private_key_jwt", "ES256", checkedKeys
	})
	t.Run("the document", func(t *testing.T) {
		r := on(t, site{}, "check", checkedURL)
		r.want(t, 1)
		if want := checkedURL + "\n\nCould not be fetched:\n  nobody is there\n\nno problems, no warnings, 1 document could not be fetched\n"; r.stdout != want {
			t.Errorf("got %s", r.stdout)
		}
	})
	t.Run("the keys", func(t *testing.T) {
		r := on(t, site{checkedURL: serve(document)}, "check", checkedURL)
		r.want(t, 1, "confidential web client", "Could not be fetched:\n  "+checkedKeys+": nobody is there")
		if strings.Contains(r.stdout, "refuse") {
			t.Errorf("got %s", r.stdout)
		}
	})
	t.Run("as JSON", func(t *testing.T) {
		r := on(t, site{checkedURL: serve(document)}, "check", "--json", checkedURL)
		r.want(t, 1)
		var got report
		if err := json.Unmarshal([]byte(r.stdout), &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]finding{{URL: checkedKeys, Message: "nobody is there"}}, got.Unfetched); diff != "" || len(got.Problems) != 0 {
			t.Errorf("%s%v", diff, got.Problems)
		}
	})
}

// waiting answers when the request is given up.
type waiting struct{}

func (waiting) RoundTrip(req *http.Request) (*http.Response, error) {
	<-req.Context().Done()
	return nil, req.Context().Err()
}

func TestOutputThatCannotBeWritten(t *testing.T) {
	full, err := os.OpenFile(os.DevNull, os.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	var errs strings.Builder
	for _, args := range [][]string{{"keygen"}, {"check", "--json", "http://localhost"}} {
		if status := run(t.Context(), args, full, &errs); status != 1 {
			t.Errorf("%v: status %d", args, status)
		}
	}
}

package scenario

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// refusals writes records of all kinds without the checks of package records. It tests what the
// server accepts, what it refuses, what it says about them, and the CIDs that it gives them (P99).
func refusals(t *testing.T, b Backend) {
	ctx := t.Context()
	session := Login(t, b, NewClient(t, b), b.Environment().Account("bob"))
	repo := comatproto.NewClient(session).Repo
	picture := []byte("\x89PNG\r\n\x1a\n")
	image := func(mimeType, size string) string {
		return `"embed":{"$type":"app.bsky.embed.images","images":[{"alt":"","image":{"$type":"blob","ref":{"$link":"` + string(lex.BlobCID(picture)) + `"},"mimeType":"` + mimeType + `","size":` + size + `}}]}`
	}
	const (
		when  = `"createdAt":"2026-01-02T03:04:05.006Z"`
		plain = `"text":"x",` + when
	)
	yes, no := new(true), new(false)
	for name, tt := range map[string]struct {
		collection syntax.NSID
		fields     string
		validate   *bool
		status     string // "refused", or the validation status
		name       xrpc.ErrorName
	}{
		"a post":                                   {"", plain, nil, "valid", ""},
		"a post that is to be validated":           {"", plain, yes, "valid", ""},
		"a post that is not":                       {"", plain, no, "", ""},
		"with a field of another time":             {"", plain + `,"later":{"a":[1,{"b":null}],"$x":true}`, nil, "valid", ""},
		"text of 300 graphemes":                    {"", `"text":"` + strings.Repeat("é", 300) + `",` + when, nil, "valid", ""},
		"text of 301 graphemes":                    {"", `"text":"` + strings.Repeat("é", 301) + `",` + when, nil, "refused", ""},
		"that is not looked at":                    {"", `"text":"` + strings.Repeat("é", 301) + `",` + when, no, "", ""},
		"text of 3,001 bytes":                      {"", `"text":"` + strings.Repeat("👨‍👩‍👧‍👦", 121) + `",` + when, nil, "refused", ""},
		"without a field that is required":         {"", `"text":"x"`, nil, "refused", ""},
		"a field of another type":                  {"", `"text":7,` + when, nil, "refused", ""},
		"a null where none may be":                 {"", plain + `,"langs":null`, nil, "refused", ""},
		"a language tag":                           {"", plain + `,"langs":["de-CH"]`, nil, "valid", ""},
		"a language tag that is none":              {"", plain + `,"langs":["de_CH!"]`, nil, "refused", ""},
		"four languages":                           {"", plain + `,"langs":["de","fr","it","rm"]`, nil, "refused", ""},
		"a picture":                                {"", plain + "," + image("image/png", "8"), nil, "valid", ""},
		"a picture of another type than is stored": {"", plain + "," + image("image/jpeg", "8"), nil, "refused", "InvalidMimeType"},
		"a picture of another size than is stored": {"", plain + "," + image("image/png", "9"), nil, "refused", "InvalidSize"},
		"a picture that is a text":                 {"", plain + "," + image("text/plain", "8"), nil, "refused", ""},
		"a picture that is too large":              {"", plain + "," + image("image/png", "2000001"), nil, "refused", ""},
		"an embed of another kind":                 {"", plain + `,"embed":{"$type":"com.example.embed","n":1}`, nil, "valid", ""},
		"an embed that says no kind":               {"", plain + `,"embed":{"n":1}`, nil, "refused", ""},
		"a record of somebody's own":               {"com.example.note", `"n":1,"s":"é","b":{"$bytes":"AQI"},"l":[true,null,-5],"o":{"zz":1,"a":2}`, nil, "unknown", ""},
		"one that is to be validated":              {"com.example.note", `"n":1`, yes, "refused", ""},
		"one that is not":                          {"com.example.note", `"n":1`, no, "", ""},
	} {
		t.Run("P99 "+name, func(t *testing.T) {
			collection := tt.collection
			if collection == "" {
				collection = appbsky.FeedPostNSID
			}
			// Uploaded again each time, because a blob is deleted with the last record that refers
			// to it.
			if _, err := repo.UploadBlob(ctx, xrpc.BytesBody(picture, "image/png")); err != nil {
				t.Fatal(err)
			}
			record, err := lex.Raw([]byte(`{"$type":"` + string(collection) + `",` + tt.fields + `}`))
			if err != nil {
				t.Fatal(err)
			}
			out, err := repo.CreateRecord(ctx, &comatproto.RepoCreateRecordInput{
				Repo: syntax.AtIdentifier(session.DID()), Collection: collection, Record: record, Validate: tt.validate,
			})
			if tt.status == "refused" {
				e, ok := errors.AsType[*xrpc.Error](err)
				if !ok || e.Status != http.StatusBadRequest || tt.name != "" && e.Name != tt.name {
					t.Errorf("got %+v, %v", out, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			status := ""
			if out.ValidationStatus != nil {
				status = *out.ValidationStatus
			}
			cid, err := lex.CID(&record)
			if err != nil {
				t.Fatal(err)
			}
			if status != tt.status || out.CID != cid {
				t.Errorf("status %q, CID %s; want %q, %s", status, out.CID, tt.status, cid)
			}
			if _, err := repo.DeleteRecord(ctx, &comatproto.RepoDeleteRecordInput{
				Repo: syntax.AtIdentifier(session.DID()), Collection: collection, RKey: out.URI.RecordKey(),
			}); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("P99 a blob goes with the last record that refers to it", func(t *testing.T) {
		_, err := comatproto.NewClient(session).Sync.GetBlob(ctx, &comatproto.SyncGetBlobParams{DID: session.DID(), CID: lex.BlobCID(picture)})
		if e, ok := errors.AsType[*xrpc.Error](err); !ok || e.Status != http.StatusBadRequest {
			t.Errorf("got %v", err)
		}
	})
	if err := session.Logout(ctx); err != nil {
		t.Error(err)
	}
}

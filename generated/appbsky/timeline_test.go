package appbsky_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/generated/appbsky"
)

// A timeline holds most of what lexicons can say: nested unions, records of unknown
// type, lists, booleans, and fields newer than the lexicons.
const timeline = `{
  "cursor": "2026-01-02T03:04:05.678Z::bafy",
  "feed": [
    {
      "post": {
        "uri": "at://did:plc:abcdefghijklmnopqrstuvwx/app.bsky.feed.post/3l6oveex3ii2l",
        "cid": "bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a",
        "author": {
          "did": "did:plc:abcdefghijklmnopqrstuvwx",
          "handle": "alice.example.com",
          "displayName": "Alice",
          "viewer": {"muted": false, "blockedBy": false, "somethingNew": [1, 2]},
          "labels": []
        },
        "record": {"$type": "app.bsky.feed.post", "text": "hello", "createdAt": "2026-01-02T03:04:05.678Z", "langs": ["en"], "extra": {"$bytes": "AQI"}},
        "embed": {
          "$type": "app.bsky.embed.recordWithMedia#view",
          "record": {"record": {"$type": "app.bsky.embed.record#viewNotFound", "uri": "at://did:plc:abcdefghijklmnopqrstuvwx/app.bsky.feed.post/3l6oveex3ii2l", "notFound": true}},
          "media": {
            "$type": "app.bsky.embed.images#view",
            "images": [{"thumb": "https://cdn.example.com/thumb", "fullsize": "https://cdn.example.com/full", "alt": "", "aspectRatio": {"width": 4, "height": 3}}]
          }
        },
        "replyCount": 0,
        "likeCount": 9007199254740991,
        "indexedAt": "2026-01-02T03:04:06.000Z",
        "viewer": {"like": "at://did:plc:abcdefghijklmnopqrstuvwx/app.bsky.feed.like/3l6oveex3ii2l", "bookmarked": true}
      },
      "reason": {"$type": "app.example.newer#reason", "why": {"deep": [true, null, {"$link": "bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a"}]}}
    }
  ]
}`

func TestTimelineComesBackWhole(t *testing.T) {
	var out appbsky.FeedGetTimelineOutput
	if err := json.Unmarshal([]byte(timeline), &out); err != nil {
		t.Fatal(err)
	}
	view := out.Feed[0].Post
	if _, ok := view.Embed.Value.(*appbsky.EmbedRecordWithMediaView); !ok {
		t.Errorf("the embed is a %T", view.Embed.Value)
	}
	var post appbsky.FeedPost
	if err := view.Record.As(&post); err != nil || post.Text != "hello" {
		t.Errorf("the post is %+v, %v", post, err)
	}
	encoded, err := json.Marshal(&out)
	if err != nil {
		t.Fatal(err)
	}
	var want, got any
	if err := json.Unmarshal([]byte(timeline), &want); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(encoded, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

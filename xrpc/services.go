package xrpc

// Services of Bluesky for WithProxy: the DID and fragment of each. Other services have the same
// form.
const (
	// BlueskyAppView answers the app.bsky methods: profiles, feeds, search, notifications. A PDS of
	// Bluesky uses it by default.
	BlueskyAppView = "did:web:api.bsky.app#bsky_appview"
	// BlueskyChat answers the chat.bsky methods: direct messages.
	BlueskyChat = "did:web:api.bsky.chat#bsky_chat"
	// BlueskyOzone answers the tools.ozone methods, and accepts the reports of
	// com.atproto.moderation.createReport for Bluesky's moderators.
	BlueskyOzone = "did:plc:ar7c4by46qjdydhdevvrndac#atproto_labeler"
)

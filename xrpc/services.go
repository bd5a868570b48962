package xrpc

// Services that Bluesky runs, for WithProxy: DID and fragment of each. Others have the same form.
const (
	// BlueskyAppView answers the app.bsky methods: profiles, feeds, search, notifications. A PDS of Bluesky
	// asks it without being told.
	BlueskyAppView = "did:web:api.bsky.app#bsky_appview"
	// BlueskyChat answers the chat.bsky methods: direct messages.
	BlueskyChat = "did:web:api.bsky.chat#bsky_chat"
	// BlueskyOzone answers the tools.ozone methods and takes the reports of
	// com.atproto.moderation.createReport, for Bluesky's moderators.
	BlueskyOzone = "did:plc:ar7c4by46qjdydhdevvrndac#atproto_labeler"
)

package scope

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// ErrNotForOAuth: no OAuth session may call this method at a PDS, whatever its scope. The error's
// text says why.
var ErrNotForOAuth = errors.New("not for OAuth sessions")

// ForMethod returns the permission that a session needs to call a query or procedure at its PDS. It
// returns Atproto for methods that every session, or everybody, may call. Otherwise it returns one
// of:
//
//   - The permission that com.atproto demands for the method. If that depends on the input, it is
//     the widest one: Repo(Any, …) for writes of records, Blob("*/*") for uploads, RPC(audience,
//     Any) for com.atproto.server.getServiceAuth. Replace these with your collection, media type
//     or method.
//   - RPC(audience, method) for methods that the PDS forwards to a service, or answers in its
//     place. audience is that service: the one in the call's Atproto-Proxy header
//     (xrpc.WithProxy), or the one in the configuration of the PDS, which for app.bsky is usually
//     "did:web:api.bsky.app#bsky_appview". To register for push notifications, it is the service
//     in the input, with #bsky_notif.
//
// audience is used in the second case, and for getServiceAuth, where it is the service that the token
// is for. It must name a service there. Methods that are newer than this module count as forwarded.
//
// It fails with ErrNotForOAuth, or with an *Error if audience or method is not valid.
func ForMethod(method syntax.NSID, audience string) (Permission, error) {
	if err := method.Validate(); err != nil {
		return nil, &Error{Err: err}
	}
	entry := methodNeed{method: method, need: passedOn}
	if i, found := slices.BinarySearchFunc(methodNeeds, method, func(n methodNeed, m syntax.NSID) int {
		return strings.Compare(string(n.method), string(m))
	}); found {
		entry = methodNeeds[i]
	}
	switch need := entry.need.(type) {
	case nil:
		return nil, fmt.Errorf("scope: %s: %w: %s", method, ErrNotForOAuth, entry.refused)
	case RPCPermission:
		if audience == "" && slices.Contains(need.Methods, Any) {
			return nil, &Error{Err: fmt.Errorf("%s makes a token for another service: give that service as the audience, such as did:web:api.example.com#service", method)}
		}
		if audience == "" {
			return nil, &Error{Err: fmt.Errorf("%s is answered by a service: give that service as the audience, such as did:web:api.example.com#service", method)}
		}
		need = RPC(audience, need.Methods...)
		if need.Methods == nil {
			need.Methods = []syntax.NSID{method}
		}
		if err := need.Validate(); err != nil {
			return nil, err
		}
		return need, nil
	case RepoPermission: // a copy here and below, so that callers cannot change the table
		return RepoPermission{slices.Clone(need.Collections), slices.Clone(need.Actions)}, nil
	case BlobPermission:
		return Blob(need.Accept...), nil
	default:
		return need, nil
	}
}

// A methodNeed is an entry of the table.
type methodNeed struct {
	method  syntax.NSID
	need    Permission // nil: no permission is enough
	refused string     // the reason in that case
}

// Reasons why methods refuse OAuth sessions.
const (
	forAdministrators = "it needs an administrator's credentials"
	forPasswords      = "it is for sessions that were made with a password"
	onAccountPage     = "users do this on the account page of their server"
	withoutSession    = "it is called without a session"
)

// passedOn is the need of a method that the PDS forwards: the method at the audience.
var passedOn = RPCPermission{}

// methodNeeds lists the decisions of the reference PDS, in alphabetical order. It has every method
// of com.atproto, and those others that differ from passedOn.
var methodNeeds = []methodNeed{
	{"app.bsky.feed.getFeed", RPCPermission{Methods: []syntax.NSID{"app.bsky.feed.getFeed", "app.bsky.feed.getFeedSkeleton"}}, ""},
	{"com.atproto.admin.deleteAccount", nil, forAdministrators},
	{"com.atproto.admin.disableAccountInvites", nil, forAdministrators},
	{"com.atproto.admin.disableInviteCodes", nil, forAdministrators},
	{"com.atproto.admin.enableAccountInvites", nil, forAdministrators},
	{"com.atproto.admin.getAccountInfo", nil, forAdministrators},
	{"com.atproto.admin.getAccountInfos", nil, forAdministrators},
	{"com.atproto.admin.getInviteCodes", nil, forAdministrators},
	{"com.atproto.admin.getSubjectStatus", nil, forAdministrators},
	{"com.atproto.admin.searchAccounts", passedOn, ""},
	{"com.atproto.admin.sendEmail", nil, forAdministrators},
	{"com.atproto.admin.updateAccountEmail", nil, forAdministrators},
	{"com.atproto.admin.updateAccountHandle", nil, forAdministrators},
	{"com.atproto.admin.updateAccountPassword", nil, forAdministrators},
	{"com.atproto.admin.updateAccountSigningKey", passedOn, ""},
	{"com.atproto.admin.updateSubjectStatus", nil, forAdministrators},
	{"com.atproto.identity.getRecommendedDidCredentials", Atproto, ""},
	{"com.atproto.identity.refreshIdentity", passedOn, ""},
	{"com.atproto.identity.requestPlcOperationSignature", Identity(Any), ""},
	{"com.atproto.identity.resolveDid", passedOn, ""},
	{"com.atproto.identity.resolveHandle", Atproto, ""},
	{"com.atproto.identity.resolveIdentity", passedOn, ""},
	{"com.atproto.identity.signPlcOperation", Identity(Any), ""},
	{"com.atproto.identity.submitPlcOperation", Identity(Any), ""},
	{"com.atproto.identity.updateHandle", Identity(IdentityHandle), ""},
	{"com.atproto.label.queryLabels", passedOn, ""},
	{"com.atproto.lexicon.resolveLexicon", passedOn, ""},
	{"com.atproto.moderation.createReport", passedOn, ""},
	{"com.atproto.repo.applyWrites", Repo(Any), ""},
	{"com.atproto.repo.createRecord", Repo(Any, Create), ""},
	{"com.atproto.repo.deleteRecord", Repo(Any, Delete), ""},
	{"com.atproto.repo.describeRepo", Atproto, ""},
	{"com.atproto.repo.getRecord", Atproto, ""},
	{"com.atproto.repo.importRepo", Account(AccountRepo, Manage), ""},
	{"com.atproto.repo.listMissingBlobs", Atproto, ""},
	{"com.atproto.repo.listRecords", Atproto, ""},
	{"com.atproto.repo.putRecord", Repo(Any, Create, Update), ""},
	{"com.atproto.repo.uploadBlob", Blob(anyBlob), ""},
	{"com.atproto.server.activateAccount", nil, onAccountPage},
	{"com.atproto.server.checkAccountStatus", Atproto, ""},
	{"com.atproto.server.confirmEmail", Account(AccountEmail, Manage), ""},
	{"com.atproto.server.createAccount", nil, withoutSession},
	{"com.atproto.server.createAppPassword", nil, onAccountPage},
	{"com.atproto.server.createInviteCode", nil, forAdministrators},
	{"com.atproto.server.createInviteCodes", nil, forAdministrators},
	{"com.atproto.server.createSession", Atproto, ""},
	{"com.atproto.server.deactivateAccount", Account(AccountStatus, Manage), ""},
	{"com.atproto.server.deleteAccount", Atproto, ""}, // the input has a password and a token
	{"com.atproto.server.deleteSession", nil, forPasswords},
	{"com.atproto.server.describeServer", Atproto, ""},
	{"com.atproto.server.getAccountInviteCodes", nil, onAccountPage},
	{"com.atproto.server.getServiceAuth", RPCPermission{Methods: []syntax.NSID{Any}}, ""},
	{"com.atproto.server.getSession", Atproto, ""}, // with the email address it needs Account(AccountEmail, Read)
	{"com.atproto.server.listAppPasswords", nil, onAccountPage},
	{"com.atproto.server.refreshSession", nil, forPasswords},
	{"com.atproto.server.requestAccountDelete", nil, onAccountPage},
	{"com.atproto.server.requestEmailConfirmation", Account(AccountEmail, Manage), ""},
	{"com.atproto.server.requestEmailUpdate", nil, onAccountPage},
	{"com.atproto.server.requestPasswordReset", Atproto, ""},
	{"com.atproto.server.reserveSigningKey", Atproto, ""},
	{"com.atproto.server.resetPassword", Atproto, ""},
	{"com.atproto.server.revokeAppPassword", nil, onAccountPage},
	{"com.atproto.server.updateEmail", nil, onAccountPage},
	{"com.atproto.sync.getBlob", Atproto, ""},
	{"com.atproto.sync.getBlocks", Atproto, ""},
	{"com.atproto.sync.getCheckout", Atproto, ""},
	{"com.atproto.sync.getHead", Atproto, ""},
	{"com.atproto.sync.getHostStatus", passedOn, ""},
	{"com.atproto.sync.getLatestCommit", Atproto, ""},
	{"com.atproto.sync.getRecord", Atproto, ""},
	{"com.atproto.sync.getRepo", Atproto, ""},
	{"com.atproto.sync.getRepoStatus", Atproto, ""},
	{"com.atproto.sync.listBlobs", Atproto, ""},
	{"com.atproto.sync.listHosts", passedOn, ""},
	{"com.atproto.sync.listRepos", Atproto, ""},
	{"com.atproto.sync.listReposByCollection", passedOn, ""},
	{"com.atproto.sync.notifyOfUpdate", passedOn, ""},
	{"com.atproto.sync.requestCrawl", passedOn, ""},
	{"com.atproto.temp.addReservedHandle", passedOn, ""},
	{"com.atproto.temp.checkHandleAvailability", passedOn, ""},
	{"com.atproto.temp.checkSignupQueue", nil, onAccountPage},
	{"com.atproto.temp.dereferenceScope", passedOn, ""},
	{"com.atproto.temp.fetchLabels", passedOn, ""},
	{"com.atproto.temp.requestPhoneVerification", passedOn, ""},
	{"com.atproto.temp.revokeAccountCredentials", passedOn, ""},
}

package scope

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Permission is the meaning of one token of a scope. Its types are Static, RepoPermission,
// RPCPermission, BlobPermission, AccountPermission, IdentityPermission and IncludePermission, and
// Opaque for a token that cannot be interpreted.
type Permission interface {
	// String returns the token in its normal form: without defaults, with lists sorted and without
	// repetition, and with a single positional value after the colon. The reference server writes
	// its own scopes in the same form.
	String() string

	// Validate returns an *Error if the permission breaks a rule of
	// https://atproto.com/specs/permission.
	Validate() error

	rule() error
	missing(from Set) []Permission
}

// Any stands for all collections, all methods, all audiences or all attributes, where the grammar
// has a wildcard for them. There is no wildcard for a part of a name.
const Any = "*"

// A Static permission has no parameters.
type Static string

// The static permissions. The transition permissions are older than the scopes for resources, and
// will be removed (https://atproto.com/specs/oauth#authorization-scopes).
const (
	// Atproto is part of every scope in atproto. It lets a client know the account.
	Atproto Static = "atproto"
	// TransitionGeneric allows what an app password allows: all records, all blobs, and all methods
	// except those of chat.bsky.
	TransitionGeneric Static = "transition:generic"
	// TransitionChat allows the methods of chat.bsky. Ask for it together with TransitionGeneric.
	TransitionChat Static = "transition:chat.bsky"
	// TransitionEmail allows reading the account's email address.
	TransitionEmail Static = "transition:email"
)

func isStatic(token string) bool {
	switch Static(token) {
	case Atproto, TransitionGeneric, TransitionChat, TransitionEmail:
		return true
	}
	return false
}

// String implements Permission.
func (p Static) String() string { return string(p) }

// Validate implements Permission.
func (p Static) Validate() error { return tokenError(p.String(), 0, p.rule()) }

func (p Static) rule() error {
	if !isStatic(string(p)) {
		return errors.New("is not one of the permissions without parameters")
	}
	return nil
}

// An Action is an operation on records.
type Action string

// The actions on records. To put a record, a client needs Create and Update, because the server
// cannot know in advance which of the two it will be.
const (
	Create Action = "create"
	Update Action = "update"
	Delete Action = "delete"
)

// actions lists all actions in the order in which they are written.
var actions = []Action{Create, Update, Delete}

// A RepoPermission allows writing records of the account's repository.
type RepoPermission struct {
	Collections []syntax.NSID // at least one; Any means all
	Actions     []Action      // none means all
}

// Repo returns the permission for actions on the records of one collection. Any means all
// collections; no action means all actions. For several collections, use a RepoPermission.
func Repo(collection syntax.NSID, actions ...Action) RepoPermission {
	return RepoPermission{Collections: []syntax.NSID{collection}, Actions: slices.Clone(actions)}
}

// String implements Permission.
func (p RepoPermission) String() string {
	t := newToken("repo").list("collection", normalNames(p.Collections))
	if chosen := p.chosen(); !slices.Equal(chosen, actions) {
		for _, a := range chosen {
			t.param("action", string(a))
		}
	}
	return t.String()
}

// chosen returns the actions in their order, or all of them if none is named. It keeps unknown
// actions, so that Validate can find them in the text.
func (p RepoPermission) chosen() []Action {
	if len(p.Actions) == 0 {
		return actions
	}
	chosen := slices.Clone(p.Actions)
	slices.SortStableFunc(chosen, func(a, b Action) int { return slices.Index(actions, a) - slices.Index(actions, b) })
	return slices.Compact(chosen)
}

// Validate implements Permission.
func (p RepoPermission) Validate() error { return tokenError(p.String(), 0, p.rule()) }

func (p RepoPermission) rule() error {
	if len(p.Collections) == 0 {
		return errors.New("names no collection")
	}
	if err := checkNames("collection", p.Collections); err != nil {
		return err
	}
	for _, a := range p.Actions {
		if !slices.Contains(actions, a) {
			return fmt.Errorf("action %q is not create, update or delete", a)
		}
	}
	return nil
}

// An RPCPermission allows calling methods of another service, through the PDS or with a service
// token from the PDS.
type RPCPermission struct {
	// Audience is the service: its DID and the name of the service, such as
	// "did:web:api.bsky.app#bsky_appview", or Any. Audience and Methods cannot both be Any.
	Audience string
	Methods  []syntax.NSID // at least one; Any means all
}

// RPC returns the permission to call methods of the service audience.
func RPC(audience string, methods ...syntax.NSID) RPCPermission {
	return RPCPermission{Audience: audience, Methods: slices.Clone(methods)}
}

// String implements Permission.
func (p RPCPermission) String() string {
	return newToken("rpc").list("lxm", normalNames(p.Methods)).param("aud", p.Audience).String()
}

// Validate implements Permission.
func (p RPCPermission) Validate() error { return tokenError(p.String(), 0, p.rule()) }

func (p RPCPermission) rule() error {
	if err := p.methodRule(); err != nil {
		return err
	}
	if p.Audience == Any {
		if slices.Contains(p.Methods, Any) {
			return errors.New("allows any method of any audience: name the methods or the audience")
		}
		return nil
	}
	if p.Audience == "" {
		return errors.New("names no audience (aud)")
	}
	return checkService(p.Audience)
}

func (p RPCPermission) methodRule() error {
	if len(p.Methods) == 0 {
		return errors.New("names no method (lxm)")
	}
	return checkNames("method", p.Methods)
}

// A BlobPermission allows uploading blobs.
type BlobPermission struct {
	Accept []string // at least one: media types such as "image/png", ranges such as "image/*", or "*/*"
}

// Blob returns the permission to upload blobs of these media types or ranges. It writes them in
// lower case.
func Blob(accept ...string) BlobPermission {
	lower := make([]string, len(accept))
	for i, a := range accept {
		lower[i] = strings.ToLower(a)
	}
	return BlobPermission{Accept: lower}
}

// anyBlob is the range of all media types.
const anyBlob = "*/*"

// String implements Permission. It leaves out what another range already contains.
func (p BlobPermission) String() string {
	accept := Blob(p.Accept...).Accept
	if slices.Contains(accept, anyBlob) {
		accept = []string{anyBlob}
	}
	ranges := slices.Clone(accept)
	accept = slices.DeleteFunc(accept, func(a string) bool {
		return !strings.HasSuffix(a, "/*") && slices.ContainsFunc(ranges, func(r string) bool { return r != a && accepts(r, a) })
	})
	slices.Sort(accept)
	return newToken("blob").list("accept", slices.Compact(accept)).String()
}

// Validate implements Permission.
func (p BlobPermission) Validate() error { return tokenError(p.String(), 0, p.rule()) }

func (p BlobPermission) rule() error {
	if len(p.Accept) == 0 {
		return errors.New("names no media type (accept)")
	}
	for _, a := range p.Accept {
		kind, sub, _ := strings.Cut(a, "/")
		if a == anyBlob {
			continue
		}
		if kind == "" || sub == "" || strings.Contains(a, " ") || strings.Contains(sub, "/") ||
			strings.Contains(kind, "*") || sub != "*" && strings.Contains(sub, "*") {
			return fmt.Errorf("%q is not a media type such as image/png, or a range such as image/* or */*", a)
		}
	}
	return nil
}

// An AccountAttribute is a property of an account at its server.
type AccountAttribute string

// The attributes of accounts.
const (
	AccountEmail  AccountAttribute = "email"
	AccountRepo   AccountAttribute = "repo"   // managing it means importing a whole repository
	AccountStatus AccountAttribute = "status" // managing it means deactivating the account
)

// An AccountAction is the level of access to an attribute.
type AccountAction string

// The actions on accounts. Manage includes Read.
const (
	Read   AccountAction = "read"
	Manage AccountAction = "manage"
)

// An AccountPermission allows reading or changing an attribute of the account.
type AccountPermission struct {
	Attribute AccountAttribute // AccountEmail, AccountRepo or AccountStatus
	Action    AccountAction    // "" means Read
}

// Account returns the permission for an action on an attribute of the account.
func Account(attribute AccountAttribute, action AccountAction) AccountPermission {
	return AccountPermission{Attribute: attribute, Action: action}
}

// String implements Permission.
func (p AccountPermission) String() string {
	t := newToken("account").positional(string(p.Attribute))
	if p.Action != "" && p.Action != Read {
		t.param("action", string(p.Action))
	}
	return t.String()
}

// Validate implements Permission.
func (p AccountPermission) Validate() error { return tokenError(p.String(), 0, p.rule()) }

func (p AccountPermission) rule() error {
	switch p.Attribute {
	case AccountEmail, AccountRepo, AccountStatus:
	default:
		return fmt.Errorf("attribute %q is not email, repo or status", p.Attribute)
	}
	switch p.Action {
	case "", Read, Manage:
		return nil
	}
	return fmt.Errorf("action %q is neither read nor manage", p.Action)
}

// An IdentityAttribute is a part of an account's identity.
type IdentityAttribute string

// IdentityHandle is the account's handle. The only other attribute is Any: the whole DID document.
const IdentityHandle IdentityAttribute = "handle"

// An IdentityPermission allows changing the account's handle or DID document.
type IdentityPermission struct {
	Attribute IdentityAttribute // IdentityHandle, or Any
}

// Identity returns the permission to change one attribute of the identity, or with Any the whole
// identity.
func Identity(attribute IdentityAttribute) IdentityPermission {
	return IdentityPermission{Attribute: attribute}
}

// String implements Permission.
func (p IdentityPermission) String() string {
	return newToken("identity").positional(string(p.Attribute)).String()
}

// Validate implements Permission.
func (p IdentityPermission) Validate() error { return tokenError(p.String(), 0, p.rule()) }

func (p IdentityPermission) rule() error {
	if p.Attribute != IdentityHandle && p.Attribute != Any {
		return fmt.Errorf("attribute %q is neither handle nor *", p.Attribute)
	}
	return nil
}

// An IncludePermission asks for a permission set. A server grants the permissions of the set in its
// place, so in a Set it allows nothing by itself.
type IncludePermission struct {
	Set syntax.NSID // the NSID of the permission set
	// Audience is the service for the methods of the set that name none: a DID and the name of a
	// service. If it is "", these methods are not asked for.
	Audience string
}

// Include returns the request for the permission set with the NSID set. audience may be empty.
func Include(set syntax.NSID, audience string) IncludePermission {
	return IncludePermission{Set: set, Audience: audience}
}

// String implements Permission.
func (p IncludePermission) String() string {
	t := newToken("include").positional(string(p.Set))
	if p.Audience != "" {
		t.param("aud", p.Audience)
	}
	return t.String()
}

// Validate implements Permission.
func (p IncludePermission) Validate() error { return tokenError(p.String(), 0, p.rule()) }

func (p IncludePermission) rule() error {
	if err := p.Set.Validate(); err != nil {
		return fmt.Errorf("permission set: %w", err)
	}
	if p.Audience == "" {
		return nil
	}
	return checkService(p.Audience)
}

// Opaque is a token that cannot be interpreted: this package does not know its resource, or its
// parameters break the rules of the resource. It keeps its spelling, and allows only what has the
// same spelling.
type Opaque string

// String returns the token unchanged.
func (p Opaque) String() string { return string(p) }

// Validate fails if the text is not a token, or if it breaks the rules of its resource. A token
// with a resource that this package does not know passes, because it may be valid.
func (p Opaque) Validate() error { return tokenError(string(p), 0, p.rule()) }

func (p Opaque) rule() error {
	_, err := parseToken(string(p))
	return err
}

// checkNames checks the NSIDs of a list, which may contain Any.
func checkNames(what string, names []syntax.NSID) error {
	for _, name := range names {
		if name == Any {
			continue
		}
		if err := name.Validate(); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	return nil
}

// normalNames returns names sorted and without repetition. If Any is among them, it returns only
// Any.
func normalNames(names []syntax.NSID) []string {
	if slices.Contains(names, Any) {
		return []string{Any}
	}
	normal := make([]string, len(names))
	for i, name := range names {
		normal[i] = string(name)
	}
	slices.Sort(normal)
	return slices.Compact(normal)
}

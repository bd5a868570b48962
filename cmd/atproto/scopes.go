package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gimucco/atproto-go/internal/commandline"
	"github.com/gimucco/atproto-go/oauth/scope"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

func (p *program) scopesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "scopes NSID...",
		Short: "Say which scope an app needs for methods and records",
		Long: `scopes prints the scope that an app asks for to call these methods, and to write records of
these collections. It is what goes into the scope of a client's metadata, or into login --scope.

A method that a service answers needs the service: for app.bsky, chat.bsky and tools.ozone it is
the one that Bluesky runs; --audience names another. Methods that write records of any collection,
such as com.atproto.repo.createRecord, need repo:*; name the collections instead, and it is less.

A name that is not known here, but is like one that is, is refused unless --audience says whose
method it is. An unknown name of a service that is known is warned of.`,
		Example: `  atproto scopes app.bsky.feed.post com.atproto.repo.uploadBlob app.bsky.feed.getTimeline
  atproto login --scope "$(atproto scopes app.bsky.feed.post)" alice.example.com`,
		Args:              commandline.Args(1, -1, "say what for: give the NSIDs of methods and collections, such as app.bsky.feed.post"),
		ValidArgsFunction: completeMethods("query", "procedure", "record"),
	}
	audience := cmd.Flags().String("audience", "", "the `service` that answers the methods: a DID, # and a name")
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		needs := make([]need, len(args))
		for i, typed := range args {
			permission, known, err := permissionFor(typed, *audience)
			if err != nil {
				return commandline.Usage(err, cmd)
			}
			if !known && *audience == "" {
				fmt.Fprintf(p.stderr, "atproto: %s is not known here, and taken for a method that is newer: if it is a collection of records, its scope is repo:%s\n", typed, typed)
			}
			needs[i] = need{NSID: typed, Scope: permission.String(), permission: permission}
		}
		asked := join(needs)
		if *asJSON {
			return writeJSON(p.stdout, struct {
				Scope string `json:"scope"`
				Needs []need `json:"needs"`
			}{asked, needs})
		}
		fmt.Fprintln(p.stdout, asked)
		return nil
	}
	return cmd
}

// A need is what one method, or the records of one collection, take.
type need struct {
	NSID  string `json:"nsid"`
	Scope string `json:"scope"`

	permission scope.Permission
}

// join writes one scope. Methods of the same service share a token.
func join(needs []need) string {
	all := []scope.Permission{scope.Atproto}
	for _, n := range needs {
		rpc, ok := n.permission.(scope.RPCPermission)
		if !ok {
			all = append(all, n.permission)
			continue
		}
		i := slices.IndexFunc(all, func(other scope.Permission) bool {
			o, ok := other.(scope.RPCPermission)
			return ok && o.Audience == rpc.Audience
		})
		if i < 0 {
			all = append(all, rpc)
			continue
		}
		methods := slices.Concat(all[i].(scope.RPCPermission).Methods, rpc.Methods)
		all[i] = scope.RPC(rpc.Audience, methods...)
	}
	return scope.Join(all...)
}

// services are those that Bluesky runs, by what the names of their methods begin with.
var services = map[string]string{
	"app.bsky.": xrpc.BlueskyAppView, "chat.bsky.": xrpc.BlueskyChat, "tools.ozone.": xrpc.BlueskyOzone,
	"com.atproto.moderation.": xrpc.BlueskyOzone,
}

// permissionFor is what a method needs, or writing records of a collection, and whether the name
// is one of the lexicons of this module.
func permissionFor(typed, audience string) (permission scope.Permission, known bool, err error) {
	nsid, err := syntax.ParseNSID(typed)
	if err != nil {
		return nil, false, fmt.Errorf("%q is no name of a method or a collection: write it as app.bsky.feed.post", typed)
	}
	if slices.ContainsFunc(methods("record"), func(m method) bool { return m.NSID == nsid }) {
		return scope.Repo(nsid), true, nil
	}
	m := methodNamed(nsid)
	if m != nil && m.Kind == "subscription" {
		return nil, true, fmt.Errorf("%s is a stream, which nobody logs in for: leave it out", nsid)
	}
	if near := nearestName(nsid, "query", "procedure", "record"); m == nil && near != "" && audience == "" {
		return nil, false, fmt.Errorf("%s is not known here: did you mean %s? If not, name the service that answers it by --audience; if it is a collection of records, its scope is repo:%s", nsid, near, nsid)
	}
	if audience == "" {
		for prefix, service := range services {
			if strings.HasPrefix(typed, prefix) {
				audience = service
			}
		}
	}
	permission, err = scope.ForMethod(nsid, audience)
	switch {
	case errors.Is(err, scope.ErrNotForOAuth):
		return nil, true, fmt.Errorf("%s needs a login by password: %w", nsid, err)
	case err != nil && audience == "" && nsid == "com.atproto.server.getServiceAuth":
		return nil, true, fmt.Errorf("%s makes a token for another service, and its scope is that of what the token is for: give the method that you will call there, and the service by --audience, such as did:web:api.example.com#service", nsid)
	case err != nil && audience == "" && m != nil:
		return nil, true, fmt.Errorf("%s is answered by a service: name it by --audience, such as did:web:api.example.com#service", nsid)
	case err != nil && audience == "":
		return nil, m != nil, fmt.Errorf("%s is answered by a service: name it by --audience, such as did:web:api.example.com#service; if it is a collection of records, its scope is repo:%s", nsid, nsid)
	case err != nil:
		return nil, m != nil, fmt.Errorf("--audience: %w", err)
	}
	return permission, m != nil, nil
}

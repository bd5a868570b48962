package oauthtest

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// scopes returns the tokens of a session's scope.
func (t *session) scopes() []string { return strings.Split(t.scope, " ") }

// allowsEmail reports whether the account's email address may be read.
func (t *session) allowsEmail() bool {
	return slices.ContainsFunc(t.scopes(), func(token string) bool {
		return token == "transition:email" || token == "account:email" || strings.HasPrefix(token, "account:email?")
	})
}

// allowsWrite checks for transition:generic or a repo scope with the collection and
// action (https://atproto.com/specs/permission#repository). Only as much of the
// grammar is understood as single resources need.
func (t *session) allowsWrite(collection, action string) *xrpcError {
	if t.grants("repo", collection, action) {
		return nil
	}
	return &xrpcError{http.StatusForbidden, "ScopeMissingError",
		fmt.Sprintf("Missing required scope %q", "repo:"+collection+"?action="+action)}
}

// allowsBlob checks for transition:generic or a blob scope.
func (t *session) allowsBlob(mediaType string) *xrpcError {
	kind, _, _ := strings.Cut(mediaType, "/")
	if t.grants("blob", mediaType, "") || t.grants("blob", kind+"/*", "") || t.grants("blob", "*/*", "") {
		return nil
	}
	return &xrpcError{http.StatusForbidden, "ScopeMissingError", fmt.Sprintf("Missing required scope %q", "blob:"+mediaType)}
}

// grants reports whether a scope token names the resource, or all, and the action, or
// none.
func (t *session) grants(kind, resource, action string) bool {
	for _, token := range t.scopes() {
		if token == "transition:generic" {
			return true
		}
		name, rest, _ := strings.Cut(token, "?")
		prefix, what, _ := strings.Cut(name, ":")
		params, err := url.ParseQuery(rest)
		if prefix != kind || err != nil || what != resource && what != "*" {
			continue
		}
		if actions, ok := params["action"]; !ok || action == "" || slices.Contains(actions, action) {
			return true
		}
	}
	return false
}

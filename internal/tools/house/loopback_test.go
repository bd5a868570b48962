package house

import (
	"go/ast"
	"go/token"
	"strconv"
	"strings"
	"testing"
)

// What this machine is by name or address is said in one place. Two others have rules of their own:
// redirect URIs on a user's device are 127.0.0.1 and [::1] alone, and the sandbox follows
// what servers say of them.
func TestOneRuleSaysWhatLoopbackIs(t *testing.T) {
	t.Run("P123 nobody else decides it", func(t *testing.T) {
		for _, src := range sources(t) {
			if strings.HasSuffix(src.name, "_test.go") || src.pkg == "internal/loopback" || src.pkg == "internal/clientmetadata" || src.pkg == "oauth/oauthtest" {
				continue
			}
			for _, node := range decidesLoopback(src.file) {
				t.Errorf("%s decides what loopback is: use internal/loopback", src.fset.Position(node.Pos()))
			}
		}
	})
}

// decidesLoopback returns comparisons with names and addresses of this machine.
func decidesLoopback(file *ast.File) (found []ast.Node) {
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if n.Sel.Name == "IsLoopback" {
				found = append(found, n)
			}
		case *ast.BasicLit:
			if n.Kind != token.STRING {
				break
			}
			switch text, _ := strconv.Unquote(n.Value); text {
			case "127.", "127.0.0.0/8", "::1", "::1/128", ".localhost":
				found = append(found, n)
			}
		}
		return true
	})
	return found
}

package echorouter

import (
	"testing"

	"github.com/gimucco/atproto-go/examples/recipes/internal/visit"
)

func TestLogin(t *testing.T) { visit.Open(t, New).TryLogin() }

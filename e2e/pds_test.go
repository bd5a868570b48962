package e2e

import (
	"testing"

	"github.com/gimucco/atproto-go/e2e/realpds"
	"github.com/gimucco/atproto-go/internal/scenario"
)

// TestPDS runs the scenarios on the real server, by plain HTTP in the browser's place.
func TestPDS(t *testing.T) {
	server := realpds.Start(t)
	scenario.Run(t, server)
	t.Run("Methods", func(t *testing.T) { methods(t, server) })
}

package scenario_test

import (
	"testing"

	"github.com/gimucco/atproto-go/internal/scenario"
)

// TestSandbox runs on the sandbox what e2e runs on the real server.
func TestSandbox(t *testing.T) { scenario.Run(t, scenario.StartSandbox(t)) }

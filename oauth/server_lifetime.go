package oauth

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
)

// maxTokenLife is the longest life of an access token that the client believes.
const maxTokenLife = 30 * 24 * time.Hour

// readLifetime reads expires_in in every spelling that servers use (P61): a number, also with a
// fraction or an exponent or in quotes. It returns 0 if the value is missing, is not a number, or
// is not above 0.
func readLifetime(said json.RawMessage) time.Duration {
	text := strings.TrimSpace(string(said))
	if strings.HasPrefix(text, `"`) {
		var quoted string
		if json.Unmarshal(said, &quoted) != nil {
			return 0
		}
		text = strings.TrimSpace(quoted)
	}
	// ParseFloat accepts texts that JSON does not, such as "inf" and "0x10". They are not meant as
	// a number of seconds.
	if text == "" || text[0] != '-' && (text[0] < '0' || text[0] > '9') || !json.Valid([]byte(text)) {
		return 0
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil && !math.IsInf(seconds, 1) {
		return 0
	}
	switch {
	case seconds <= 0:
		return 0
	case seconds >= maxTokenLife.Seconds():
		return maxTokenLife
	}
	return time.Duration(seconds * float64(time.Second))
}

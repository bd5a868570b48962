package apppassword

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"testing"
	"time"
)

func jwt(payload string) string {
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".c2ln"
}

func TestLifeOfTokens(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	for name, tt := range map[string]struct {
		token string
		ahead time.Duration
		want  time.Duration // from now; 0: not known
	}{
		"two hours":                         {jwt(`{"iat":1800000000,"exp":1800007200}`), 0, 2 * time.Hour},
		"by the token, not by our clock":    {jwt(`{"iat":1500000000,"exp":1500007200}`), 0, 2 * time.Hour},
		"without iat by the server's clock": {jwt(`{"exp":1800007200}`), time.Hour, time.Hour},
		"with fractions":                    {jwt(`{"iat":1800000000.25,"exp":1800000000.75}`), 0, 500 * time.Millisecond},
		"a year":                            {jwt(`{"iat":1,"exp":31536001}`), 0, maxLife},
		"beyond all numbers":                {jwt(`{"iat":1,"exp":1e300}`), 0, maxLife},
		"over before it began":              {jwt(`{"iat":1800007200,"exp":1800000000}`), 0, 0},
		"long ago":                          {jwt(`{"exp":1}`), 0, 0},
		"no times":                          {jwt(`{}`), 0, 0},
		"times that are no numbers":         {jwt(`{"iat":"now","exp":"later"}`), 0, 0},
		"no JSON":                           {jwt(`x`), 0, 0},
		"with padding":                      {"e30.eyJpYXQiOjEsImV4cCI6MzYwMX0=.c2ln", 0, time.Hour},
		"no base64":                         {"e30.!!!.c2ln", 0, 0},
		"two parts":                         {"e30.e30", 0, 0},
		"no JWT":                            {"opaque", 0, 0},
		"nothing":                           {"", 0, 0},
	} {
		t.Run("P61 X30 "+name, func(t *testing.T) {
			life := lifeOf(tt.token, now, tt.ahead)
			var got time.Duration
			if !life.ExpiresAt.IsZero() {
				got = life.ExpiresAt.Sub(now)
			}
			if got != tt.want || !life.IssuedAt.Equal(now) {
				t.Errorf("lives for %s, want %s", got, tt.want)
			}
		})
	}
}

func FuzzAnswers(f *testing.F) {
	client, err := NewClient(Config{})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(`{"did":"did:plc:ewvi7nxzyoun6zhxrhs64oiz","handle":"alice.test","accessJwt":"` + jwt(`{"iat":1,"exp":7201}`) + `","refreshJwt":"a.b.c","didDoc":{"id":"did:plc:ewvi7nxzyoun6zhxrhs64oiz","service":[]}}`)
	f.Add(`{"error":"ExpiredToken","message":"Token has expired"}`)
	f.Add(`[]`)
	f.Fuzz(func(t *testing.T, body string) {
		a := &reply{status: 200, header: http.Header{}, body: []byte(body), started: time.Unix(1_800_000_000, 0), secrets: []string{"secret"}}
		if g, err := a.grant(client); err == nil {
			if g.did == "" || g.tokens.Access == "" || g.host != "" && client.checkHost(g.host) != nil {
				t.Errorf("%+v", g)
			}
			if life := g.tokens.ExpiresAt.Sub(g.tokens.IssuedAt); !g.tokens.ExpiresAt.IsZero() && (life <= 0 || life > maxLife) {
				t.Errorf("it lives for %s", life)
			}
		}
		a.status = 400
		if verdict, e := a.refreshRefused(); e == nil || verdict < 0 {
			t.Errorf("%v, %v", verdict, e)
		}
		_ = a.loginRefused(true).Error()
	})
}

func TestRecordsOfALaterVersion(t *testing.T) {
	for version, ok := range map[int]bool{0: true, recordVersion: true, recordVersion + 1: false} {
		data, err := json.Marshal(map[string]any{"v": version, "host": "https://pds.test"})
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(data, new(sessionRecord)); (err == nil) != ok {
			t.Errorf("version %d: %v", version, err)
		}
	}
	data, err := json.Marshal(&sessionRecord{})
	if err != nil {
		t.Fatal(err)
	}
	var written struct {
		Version int `json:"v"`
	}
	if err := json.Unmarshal(data, &written); err != nil || written.Version != recordVersion {
		t.Errorf("wrote version %d, %v", written.Version, err)
	}
}

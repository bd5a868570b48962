package e2e

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/e2e/realpds"
	"github.com/gimucco/atproto-go/e2e/stores"
	"github.com/gimucco/atproto-go/examples/webapp/site"
	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/records"
)

// startSite puts the pages of examples/webapp in front of servers, until the test ends. At a sandbox, the page
// to sign in at is one of theirs.
func startSite(t *testing.T, servers func(home string) (*oauthtest.Environment, http.Handler)) (home string) {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	home = "http://" + server.Listener.Addr().String()
	env, signIn := servers(home)
	logger := slog.New(slog.DiscardHandler)
	cfg := oauth.Localhost(home+"/callback", site.Scope())
	env.Configure(&cfg)
	cfg.DefaultServer, cfg.Logger = env.PDS, logger
	client, err := oauth.NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", site.New(site.Config{Client: client, Logger: logger, Example: "alice.test"}))
	if signIn != nil {
		mux.Handle("/sign-in", signIn)
	}
	server.Config.Handler = mux
	server.Start()
	t.Cleanup(server.Close)
	return home
}

// hills is a picture of some, of few colours.
func hills(w, h int) image.Image {
	picture := image.NewRGBA(image.Rect(0, 0, w, h))
	layers := []struct {
		base, height, length, shift float64
		color                       color.RGBA
	}{
		{.52, .10, 1.9, .3, color.RGBA{126, 138, 201, 255}},
		{.64, .09, 2.7, 1.9, color.RGBA{86, 97, 168, 255}},
		{.78, .07, 1.4, 4.1, color.RGBA{50, 58, 116, 255}},
	}
	for y := range h {
		for x := range w {
			c := color.RGBA{253, uint8(226 - 34*y*4/h/3), uint8(190 - 20*y/h), 255}
			dx, dy := float64(x)-.68*float64(w), float64(y)-.36*float64(h)
			if math.Hypot(dx, dy) < .1*float64(h) {
				c = color.RGBA{255, 209, 102, 255}
			}
			for _, l := range layers {
				edge := l.base - l.height*math.Sin(l.length*2*math.Pi*float64(x)/float64(w)+l.shift)
				if float64(y)/float64(h) > edge {
					c = l.color
				}
			}
			picture.SetRGBA(x, y, c)
		}
	}
	return picture
}

// hillsJPEG is a picture as a file.
func hillsJPEG(t *testing.T, w, h int) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := jpeg.Encode(&out, hills(w, h), nil); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// Steps that several visits share.
var (
	heading  = realpds.Step{Do: "see", At: "h1"}
	newest   = realpds.Step{Do: "see", At: "article .text"}
	problem  = realpds.Step{Do: "see", At: "[role=alert]"}
	press    = realpds.Step{Do: "click", At: ".compose button"}
	logOut   = realpds.Step{Do: "click", At: ".top button"}
	axe      = realpds.Step{Do: "axe"}
	narrow   = realpds.Step{Do: "run", Code: `document.documentElement.scrollWidth <= innerWidth ? 'fits' : 'is too wide'`}
	nothing  = ""
	openHome = func(home string) realpds.Step { return realpds.Step{Do: "goto", URL: home + "/"} }
	write    = func(text string) realpds.Step { return realpds.Step{Do: "fill", At: "#text", With: text} }
)

// TestWebapp visits the program of examples/webapp on its sandbox in a real browser, whose rules for
// cookies and redirects between sites are the ones that count.
func TestWebapp(t *testing.T) {
	home := startExample(t, "../examples/webapp")
	got := realpds.Walk(t, nil, nil,
		openHome(home), heading,
		realpds.Step{Do: "fill", At: "#identifier", With: "alice.test"},
		realpds.Step{Do: "click", At: "main button"},
		realpds.Step{Do: "fill", At: "input[name=password]", With: "alice-password"},
		realpds.Step{Do: "click", At: "button[value=allow]"},
		heading, write("Hello from a browser"), press, newest, logOut, heading,
		realpds.Step{Do: "cookies"},
		// What the other tests hear nothing of would be told.
		realpds.Step{Do: "run", Code: `document.querySelector('label').remove(); document.querySelector('input').removeAttribute('placeholder')
			document.head.append(Object.assign(document.createElement('script'), { textContent: 'document.title = "owned"' })); document.title`},
		axe, realpds.Step{Do: "complaints"},
	)
	if diff := cmp.Diff([]string{"Log in", "alice.test", "Hello from a browser", "Log in", nothing, "Log in · Postcard"}, got[:6]); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(got[6], "label: ") || !strings.Contains(got[7], "Content Security Policy") {
		t.Errorf("noted: %q", got[6:])
	}
}

// TestWebappOnPostgres starts the program twice on one PostgreSQL database.
func TestWebappOnPostgres(t *testing.T) {
	source := os.Getenv("POSTGRES")
	if source == "" {
		source = "postgres://postgres@127.0.0.1:5432/test"
	}
	database, err := url.Parse(source)
	if err != nil || database.Scheme == "" {
		t.Fatal("$POSTGRES has to be a URL here, as that is what the program takes")
	}
	kept, err := stores.Create(t.Context(), "postgres", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := kept.Remove(context.Background()); err != nil {
			t.Error(err)
		}
		kept.Close()
	})
	query := database.Query()
	query.Set("search_path", strings.TrimPrefix(kept.Location, "postgres:"))
	database.RawQuery = query.Encode()
	key := filepath.Join(t.TempDir(), "seal.key")
	for range 2 {
		home := startExample(t, "../examples/webapp", "-db", database.String(), "-key", key)
		resp, err := http.Get(home)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("status %d", resp.StatusCode)
		}
	}
	// They have made their table in the schema of this test.
	var tables int
	err = kept.DB().QueryRowContext(t.Context(), "SELECT count(*) FROM pg_tables WHERE schemaname = $1 AND tablename = 'atproto_records'", query.Get("search_path")).Scan(&tables)
	if err != nil || tables != 1 {
		t.Errorf("%d tables, %v", tables, err)
	}
}

// TestWebappAtARealServer visits the pages of examples/webapp, in front of a real PDS and its sign-in page.
func TestWebappAtARealServer(t *testing.T) {
	server := realpds.Start(t)
	alice := server.Environment().Account("alice")
	home := startSite(t, func(string) (*oauthtest.Environment, http.Handler) { return server.Environment(), nil })
	// control makes the server fail once, as its path says.
	control := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status := 0 // carried out, and the answer lost
		if r.URL.Path == "/down" {
			status = http.StatusServiceUnavailable
		}
		if err := server.Fail(r.Context(), "/xrpc/com.atproto.repo.createRecord", status, 1); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}))
	defer control.Close()
	begin := []realpds.Step{
		openHome(home),
		{Do: "fill", At: "#identifier", With: string(alice.Handle)},
		{Do: "click", At: "main button"},
	}
	visit := func(t *testing.T, want []string, steps ...realpds.Step) {
		t.Helper()
		steps = append(append(begin[:len(begin):len(begin)], signIn(home, alice)), steps...)
		if diff := cmp.Diff(want, realpds.Walk(t, server, nil, steps...)); diff != "" {
			t.Error(diff)
		}
	}
	addPicture := realpds.Step{Do: "click", At: ".add summary"}
	picture := []realpds.Step{
		{Do: "file", At: "#picture", Name: "hills.jpg", Type: "image/jpeg", Data: hillsJPEG(t, 640, 360)},
		{Do: "fill", At: "#alt", With: "Hills at sunset"},
	}
	there := func(text string) realpds.Step {
		return realpds.Step{Do: "see", At: fmt.Sprintf(`article .text:text-is(%q)`, text)}
	}
	count := func(text string) realpds.Step {
		return realpds.Step{Do: "run", Code: fmt.Sprintf(`String([...document.querySelectorAll('article .text')].filter((p) => p.textContent === %q).length)`, text)}
	}

	t.Run("a post with a picture is seen, and is gone from view after the logout", func(t *testing.T) {
		visit(t, []string{
			"alice.test", "285 characters left", "640 × 360", "Hello, world! 👨‍👩‍👧", "Hills at sunset, 640 × 360", "just now", nothing, nothing,
			"Log in", "Log in", nothing,
		},
			heading, write("Hello, world! 👨‍👩‍👧"), realpds.Step{Do: "see", At: "#left"},
			addPicture, picture[0], realpds.Step{Do: "run", Code: `document.querySelector('.preview').decode().then(() => { const p = document.querySelector('.preview'); return p.naturalWidth + ' × ' + p.naturalHeight })`},
			picture[1], press, newest,
			realpds.Step{Do: "run", Code: `document.querySelector('article img').decode().then(() => { const p = document.querySelector('article img'); return p.alt + ', ' + p.naturalWidth + ' × ' + p.naturalHeight })`},
			realpds.Step{Do: "see", At: "article time"}, realpds.Step{Do: "complaints"}, axe,
			logOut, heading, realpds.Step{Do: "back"}, heading, realpds.Step{Do: "cookies"},
		)
	})
	t.Run("a button that is pressed twice makes one post, with a script and without", func(t *testing.T) {
		twice := realpds.Step{Do: "dblclick", At: ".compose button"}
		visit(t, []string{"Twice", "1", "Twice, plainly", "1"},
			write("Twice"), twice, there("Twice"), openHome(home), count("Twice"),
			realpds.Step{Do: "plain"}, openHome(home), write("Twice, plainly"), twice, there("Twice, plainly"), openHome(home), count("Twice, plainly"),
		)
	})
	t.Run("two tabs", func(t *testing.T) {
		first, second := realpds.Step{Do: "tab", N: 0}, realpds.Step{Do: "tab", N: 1}
		visit(t, []string{"In the first", "In the second", "Log in", "Please log in.", "Too late"},
			write("In the first"), second, openHome(home), write("In the second"),
			first, press, newest, second, press, newest,
			write("Too late"), first, logOut, heading, second, press, problem,
			realpds.Step{Do: "run", Code: `document.querySelector('textarea').value`},
		)
	})
	t.Run("who does not agree is told so", func(t *testing.T) {
		steps := append(begin[:len(begin):len(begin)],
			realpds.Step{Do: "deny", Identifier: string(alice.Handle), Password: alice.Password, Back: home + "/"}, problem, heading, axe, realpds.Step{Do: "cookies"})
		want := []string{"You did not agree to log in. Nothing has changed.", "Log in", nothing, nothing}
		if diff := cmp.Diff(want, realpds.Walk(t, server, nil, steps...)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("P100 an outage while posting costs no text, and an answer that is lost no second post", func(t *testing.T) {
		visit(t, []string{
			"Your account's server could not do that. Please try again later.", "An hour of work", "alice.test", nothing,
			"An hour of work", "Lost and found", "1",
		},
			write("An hour of work"), realpds.Step{Do: "tell", URL: control.URL + "/down"}, press, problem,
			realpds.Step{Do: "run", Code: `document.querySelector('#text').value`}, heading, axe,
			press, newest,
			write("Lost and found"), realpds.Step{Do: "tell", URL: control.URL + "/lost"}, press, newest, count("Lost and found"),
		)
	})
	t.Run("a telephone, by day and by night", func(t *testing.T) {
		visit(t, []string{"fits", nothing, nothing, "fits", "is over", nothing, "fits", nothing, nothing},
			realpds.Step{Do: "size", N: 375}, narrow, axe, realpds.Step{Do: "dark", N: 1}, axe,
			write(strings.Repeat("Donaudampfschifffahrtsgesellschaft", 10)), narrow,
			realpds.Step{Do: "run", Code: `document.querySelector('#left').className.includes('over') ? 'is over' : 'is not'`}, axe,
			logOut, realpds.Step{Do: "run", Code: `document.querySelector('#identifier') ? (document.documentElement.scrollWidth <= innerWidth ? 'fits' : 'is too wide') : 'no login form'`},
			axe, realpds.Step{Do: "dark", N: 0}, axe,
		)
	})
	t.Run("all of it works without a script", func(t *testing.T) {
		visit(t, []string{"300 characters at most", "Plain and simple", "Describe the picture, for people who cannot see it. Then choose the picture again.", "No words", "Log in"},
			realpds.Step{Do: "plain"}, openHome(home), realpds.Step{Do: "see", At: "#left"},
			write("Plain and simple"), addPicture, picture[0], picture[1], press, newest,
			write("No words"), picture[0], press, problem, realpds.Step{Do: "run", Code: `document.querySelector('#text').value`},
			logOut, heading,
		)
	})
	t.Run("a post is deleted once that is allowed", func(t *testing.T) {
		visit(t, []string{"Regretted", "delete posts", "Write a post", "0"},
			write("Regretted"), press, newest,
			realpds.Step{Do: "click", At: ".profile summary"}, realpds.Step{Do: "click", At: ".profile button"}, signIn(home, alice),
			realpds.Step{Do: "click", At: ".profile summary"}, realpds.Step{Do: "see", At: ".profile li:last-child"},
			realpds.Step{Do: "click", At: "article summary"}, realpds.Step{Do: "click", At: "article .danger"}, realpds.Step{Do: "see", At: "#write"}, openHome(home), count("Regretted"),
		)
	})
}

// screenshots is where make screenshots keeps what TestWebappScreenshots takes.
var screenshots = flag.String("screenshots", "", "folder for the pictures of examples/webapp")

// TestWebappScreenshots takes the pictures of the documents.
func TestWebappScreenshots(t *testing.T) {
	folder := *screenshots
	if folder == "" {
		folder = t.TempDir()
	}
	var sandbox *oauthtest.Server
	home := startSite(t, func(home string) (*oauthtest.Environment, http.Handler) {
		sandbox = oauthtest.NewServer(oauthtest.WithSignInPage(home + "/sign-in"))
		return sandbox.Environment(), sandbox.SignInPage()
	})
	defer sandbox.Close()
	furnish(t, sandbox)
	control := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		sandbox.Fault("/xrpc/", oauthtest.Fault{Times: 2, Status: http.StatusServiceUnavailable, Body: "down"})
	}))
	defer control.Close()
	shot := func(name string) realpds.Step { return realpds.Step{Do: "shot", Name: name} }
	tidy := realpds.Step{Do: "run", Code: `document.activeElement.blur(); scrollTo(0, 0); Promise.all([...document.images].map((i) => i.decode())).then(() => '')`}
	got := realpds.WalkTo(t, folder, nil, nil,
		realpds.Step{Do: "size", N: 720}, openHome(home), shot("login"),
		realpds.Step{Do: "fill", At: "#identifier", With: "alice.test"},
		realpds.Step{Do: "click", At: "main button"},
		realpds.Step{Do: "fill", At: "input[name=password]", With: sandbox.Environment().Account("alice").Password},
		realpds.Step{Do: "click", At: "button[value=allow]"},
		write("Back home. A long way, and worth every step of it."), tidy, shot("home"),
		realpds.Step{Do: "dark", N: 1}, shot("dark"),
		realpds.Step{Do: "dark", N: 0}, realpds.Step{Do: "size", N: 375}, tidy, shot("phone"),
		realpds.Step{Do: "size", N: 720}, realpds.Step{Do: "click", At: ".profile summary"}, shot("permissions"),
		realpds.Step{Do: "tell", URL: control.URL}, press, problem, shot("error"),
	)
	if got[len(got)-1] != "Your account's server could not do that. Please try again later." {
		t.Errorf("%q", got)
	}
	for _, name := range []string{"login", "home", "dark", "phone", "permissions", "error"} {
		info, err := os.Stat(filepath.Join(folder, name+".png"))
		if err != nil {
			t.Error(err)
		} else if info.Size() > 150<<10 || info.Size() < 4<<10 {
			t.Errorf("%s has %d bytes", name, info.Size())
		}
	}
}

// furnish gives alice a profile and posts, as another application of hers would.
func furnish(t *testing.T, sandbox *oauthtest.Server) {
	t.Helper()
	session, err := sandbox.Login(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	save := func(name string, picture image.Image) string {
		file, err := os.Create(filepath.Join(t.TempDir(), name))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if err := png.Encode(file, picture); err != nil {
			t.Fatal(err)
		}
		return file.Name()
	}
	avatar, err := records.UploadImage(t.Context(), session, save("avatar.png", hills(144, 144)), "")
	if err != nil {
		t.Fatal(err)
	}
	about := "Walks in the hills, and writes home about it.\nAll views are from there."
	if _, err := records.Put(t.Context(), session, "self", &appbsky.ActorProfile{DisplayName: new("Alice"), Description: &about, Avatar: &avatar.Image}); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for _, draft := range []*records.Draft{
		records.Text("Tomorrow: the long way over the hills. The map is at https://example.com/hills #hiking").At(now.Add(-26 * time.Hour)),
		records.Text("Up there at last. It was worth it.").Image(save("hills.png", hills(960, 480)), "Blue hills in the evening, one behind the other, and a yellow sun.").At(now.Add(-25 * time.Minute)),
	} {
		if _, err := records.Post(t.Context(), session, draft); err != nil {
			t.Fatal(err)
		}
	}
}

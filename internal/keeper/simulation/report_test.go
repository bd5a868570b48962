package simulation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/gimucco/atproto-go/internal/tools/mutants/mutant"
)

// foundAt is what a search prints before the number of the seed.
const foundAt = "found after seed "

var foundPattern = regexp.MustCompile(foundAt + `(\d+): (.*)`)

// root is that of the module, seen from here.
const root = "../../.."

const intro = `One seed is one bad day of two to four processes that share a session: processes that are killed, stopped, suspended or
shut down and come back, clocks that are wrong and jump, a register that fails, hangs, lies, and stops taking writes, a server
that loses answers and asks to be left alone, a logout. It drives the real keeper (internal/keeper) in time that is not real. The server ends
the session when a spent token comes twice; on some days it forgives that for a while. The rules, checked against what register and server saw:

- no token is sent twice but by who took over an open or abandoned claim, or slept with the request in hand; none without a claim, or late;
- no claim is taken over before its life is over in true time;
- no newer tokens are overwritten by older ones;
- no call fails while there is a living token that it could have had: one that lay in the register for ten seconds in which nothing was in
  the way; and none at all two minutes after the last trouble;
- every lost session has one of the causes below, and none is lost by the register's or a clock's trouble alone;
- "ambiguous" is said when our own replay ended the session, unless a success overtook the request, and only where a claim was open or abandoned;
- new tokens are stored or revoked, as long as their process lives;
- nobody waits longer than 48 seconds, nor than they want to; the server is left alone for as long as it asks;
- one saver a keeper; at the end every process works if the session lives, shuts down, and leaves no goroutine.
`

// writeReport looks for every protection that is taken out, and writes a page.
func writeReport(ctx context.Context, file string, c *campaign, took time.Duration) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# Bad days of a session\n\n%s\n    make simulate SEEDS=%d\n\n| | |\n|---|---|\n", intro, c.done)
	fmt.Fprintf(&b, "| commit | %s |\n| ended | %s |\n| versions | %s on %s/%s, %d cores |\n| seeds | %d to %d, in %v |\n\n",
		commit(), time.Now().UTC().Format("2006-01-02 15:04 MST"), runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(),
		*first, *first+uint64(c.done)-1, took.Round(time.Second))
	fmt.Fprintf(&b, "%d seeds, %d broke a rule. %d steps, %d calls that worked, %d refreshes, %d claims taken over.\n\n",
		c.done, len(c.failing), c.total.steps, c.total.calls, c.total.refreshes, c.total.takeovers)
	fmt.Fprintf(&b, "| session lost by | seeds |\n|---|---|\n")
	for _, cause := range sorted(c.lost) {
		fmt.Fprintf(&b, "| %s | %d |\n", cause, c.lost[cause])
	}

	fmt.Fprintf(&b, "\n## Protections taken out\n\nEach is looked for in the first %d seeds, what CI runs.\n\n| protection taken out | found after seeds | the rule that was broken, or what holds it |\n|---|---|---|\n", *within)
	all, err := mutant.ReadFolder(filepath.Join(root, "internal/tools/mutants"))
	if err != nil {
		return err
	}
	found, missing := 0, 0
	for _, m := range all {
		if !strings.HasPrefix(m.File, "internal/keeper/") {
			continue
		}
		seed, rule, err := lookFor(ctx, m)
		if err != nil {
			return fmt.Errorf("%s: %w", m.Name, err)
		}
		if seed == "" {
			missing++
			fmt.Fprintf(&b, "| %s | – | `%s`. %s |\n", m.Name, strings.ReplaceAll(m.Run, "|", ", "), whyUnseen[m.Name])
			if whyUnseen[m.Name] == "" {
				fmt.Fprintf(os.Stderr, "not seen, and nothing says why: %s\n", m.Name)
			}
			continue
		}
		found++
		fmt.Fprintf(os.Stderr, "seen: %s: seed %s, %s\n", m.Name, seed, rule)
		fmt.Fprintf(&b, "| %s | %s | %s |\n", m.Name, seed, rule)
	}
	fmt.Fprintf(&b, "\n%d are found, %d are held by the unit test that is named.\n", found, missing)
	return os.WriteFile(file, []byte(b.String()), 0o644)
}

// lookFor runs the simulation with a protection taken out. It returns the seed that shows it.
func lookFor(ctx context.Context, m mutant.Mutant) (seed, rule string, err error) {
	temp, err := os.MkdirTemp("", "simulation")
	if err != nil {
		return "", "", err
	}
	defer os.RemoveAll(temp)
	source, err := filepath.Abs(filepath.Join(root, m.File))
	if err != nil {
		return "", "", err
	}
	text, err := os.ReadFile(source)
	if err != nil {
		return "", "", err
	}
	changed, err := m.Apply(string(text))
	if err != nil {
		return "", "", err
	}
	copied, overlay := filepath.Join(temp, "copy.go"), filepath.Join(temp, "overlay.json")
	list, err := json.Marshal(map[string]map[string]string{"Replace": {source: copied}})
	if err := errors.Join(err, os.WriteFile(copied, []byte(changed), 0o600), os.WriteFile(overlay, list, 0o600)); err != nil {
		return "", "", err
	}
	binary := filepath.Join(temp, "simulation.test")
	if out, err := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-overlay", overlay, "-o", binary, ".").CombinedOutput(); err != nil {
		return "", "", fmt.Errorf("%w: %s", err, out)
	}
	limit := max(time.Minute, time.Duration(*within)*100*time.Millisecond)
	out, err := exec.CommandContext(ctx, binary, "-test.run", "^TestSimulation$", "-test.timeout", limit.String(), "-search", "-seeds", fmt.Sprint(*within)).CombinedOutput()
	if err == nil {
		return "", "", nil
	}
	if words := foundPattern.FindSubmatch(out); words != nil {
		return string(words[1]), string(words[2]), nil
	}
	if _, failed := errors.AsType[*exec.ExitError](err); failed && strings.Contains(string(out), "panic: ") {
		return "some", "it panics, hangs, or leaves a goroutine", nil
	}
	return "", "", fmt.Errorf("%w: %s", err, out)
}

// commit names the commit that ran, and says so if the tree was not clean.
func commit() string {
	head, err := exec.Command("git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	name := strings.TrimSpace(string(head))
	if changed, err := exec.Command("git", "status", "--porcelain", "--", ":(top)", ":(top,exclude)docs").Output(); err != nil || len(changed) > 0 {
		name += ", with changes"
	}
	return name
}

// whyUnseen says why the simulation does not see that a protection is gone.
var whyUnseen = map[string]string{
	"newer tokens than the caller's are renewed":                   "The refresh reads first and adopts: a read too many breaks no rule.",
	"the fence does not look at the clock":                         "It looks once more behind its read: this look saves the read.",
	"an answer may come when there is no time to write it":         "A mark late in the watch meets most of this; what remains needs the return of the register within a second of the takeover.",
	"a refusal after a fence that failed is final":                 "A failure near to trouble breaks no rule.",
	"a watch is over when it has begun":                            "Marks come late in a claim's life, so that a watcher who sees a row of them is late, too.",
	"a mark comes before the holder's answer":                      "It needs an answer in the seconds between such a mark and the end, and a register that stops just then.",
	"a row of marks may have a hole":                               "It needs a register that stops twice within one watch, for the holder's attempts alone.",
	"the last mark may be old":                                     "Likewise.",
	"a gap does not end a watch":                                   "It needs a watcher that sleeps from the last mark to the very return of the register.",
	"a mark that failed does not end a watch":                      "Then it is missing in the row of marks, which is looked at.",
	"a watcher counts the longer time":                             "A jump of more than two seconds is a gap, which ends the watch.",
	"a watcher counts from the beginning of a read":                "Reads take milliseconds here.",
	"a server that does not answer makes a claim ancient":          "The server of these days always tells the time.",
	"no claim is ancient":                                          "A day here has minutes, an ancient claim is an hour old.",
	"what is proved stays open":                                    "An open claim that should not be there excuses what is said because of it.",
	"whoever comes late joins the refresh that brought the tokens": "The next call asks again: a refresh too few breaks no rule.",
	"the fence does not look for marks":                            "It takes a virtual machine that is paused with its claim written and wakes in the second in which another takes over: 40 of 100,000 seeds.",
	"a claim that another has opened counts as one's own":          "It takes two processes that both slept with one token in hand.",
	"a conclusion does not look who was faster":                    "Here a server that refuses a token has ended the session, so that the newer tokens are of no use either.",
	"a conclusion that fails makes the end ambiguous":              "It takes an end that cannot be written down, and a wrong name of it is forgiven near to such trouble.",
	"who took the claim is not waited for at the end":              "The session is over for both; which of them says so first breaks no rule.",
	"a replay is not marked beside new tokens":                     "It takes an answer that lay there for a process that slept with the request in hand, while another had committed.",
	"a mark of a replay is lost in the fence":                      "It takes a mark that comes between a claim's write and its fence: milliseconds.",
	"a mark of a replay is lost in a release":                      "It takes a mark that comes between a fence and a release whose answer was lost.",
	"a mark of a replay is not read at the end":                    "Likewise, and a refusal.",
	"a claim of one's own is waited for":                           "A wait for one's own claim is within patience.",
	"only the last claim of one's own is known":                    "Likewise.",
	"a claim that is not used is left behind":                      "Others wait for it, within patience.",
	"a release gives up at a conflict":                             "Likewise.",
	"conflicts have no limit":                                      "The register of these days never conflicts for ever.",
	"a panic ends the program":                                     "Nothing panics here.",
	"a panic of a look ends the program":                           "Nothing panics here.",
	"a commit that happened is not recognised":                     "It is adopted then, as if another had written it: the same tokens.",
	"a saver goes on for ever":                                     "A day here has minutes, and a saver gives up after an hour.",
	"a saver that gave up has no successor":                        "Likewise.",
	"what the register has replaces unsaved tokens":                "It takes a look between a failed write and the saver's first, which comes within milliseconds.",
	"a register that went back is believed":                        "The register of these days never goes back.",
	"a slow read is believed":                                      "It takes a read that is slower than a whole refresh.",
	"a pause does not grow":                                        "Pauses are asked of the server's wish alone; how long the others are breaks no rule.",
	"Retry-After may be anything":                                  "The server of these days asks for less than a minute.",
	"every call looks in a pause":                                  "Reads have no price here.",
	"a look that failed blinds for good":                           "The pause ends all the same, and a refresh reads again.",
	"a register that fails is left alone for a minute":             "No call may fail for longer than two minutes after trouble: a minute is less.",
	"refreshes begin while shutting down":                          "What has begun is waited for.",
	"who waits does not hear of the shutdown":                      "The time for a shutdown is longer than a watch here.",
	"a refresh claims while shutting down":                         "What has begun is waited for.",
	"new tokens are used before they are stored":                   "Others wait for the claim until they are stored.",
}

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/testkit/browser"
)

// On a machine without time a browser that waits for a core makes fewer and
// smaller pictures and drops some that it has received, and a bridge that waits
// rations video, as it should. What the bridge owes its clients on every
// machine is checked always: that senders are asked for what is wanted, that
// nobody gets what they have not asked for, that pictures move. How smoothly
// they do, how large they are, and how much is lost is excused if it is not as
// it should be and the server and the browsers waited for cores more than
// [maxWaiting]; what was excused is said, and ./test says it again at the end.

// maxWaiting is how much of the time in which threads wanted a core they may
// have waited for one. Three browsers on two cores, with two more beside them, waited
// 0.7 to 0.82 of it, and all was smooth; beside many others it is more.
const maxWaiting = 0.85

// threads is what each thread of the test, of its server and of its browsers
// has had of the machine, by id. It is empty where the kernel does not say.
type threads map[string]struct{ ran, waited time.Duration }

// allThreads looks at this process and all that come from it.
func allThreads() threads {
	out := threads{}
	for _, pid := range family(strconv.Itoa(os.Getpid())) {
		files, _ := filepath.Glob("/proc/" + pid + "/task/*/schedstat")
		for _, name := range files {
			b, err := os.ReadFile(name)
			if err != nil {
				continue // it has just ended
			}
			u := out[name]
			if n, _ := fmt.Sscan(string(b), &u.ran, &u.waited); n == 2 {
				out[name] = u
			}
		}
	}
	return out
}

// family is a process with its children and theirs.
func family(pid string) []string {
	all := []string{pid}
	lists, _ := filepath.Glob("/proc/" + pid + "/task/*/children")
	for _, name := range lists {
		b, _ := os.ReadFile(name)
		for _, child := range strings.Fields(string(b)) {
			all = append(all, family(child)...)
		}
	}
	return all
}

// waiting is which part of the time in which they wanted a core threads have
// waited for one since then.
func (then threads) waiting() float64 {
	var ran, waited time.Duration
	for id, now := range allThreads() {
		ran += now.ran - then[id].ran
		waited += now.waited - then[id].waited
	}
	return waited.Seconds() / max((ran+waited).Seconds(), 1e-9)
}

// hadTime reports whether there has been time since then, and says what is
// left out if there was none.
func (then threads) hadTime(t *testing.T, what string) bool {
	t.Helper()
	waiting := then.waiting()
	t.Logf("waited %.0f %% of the time for a core", 100*waiting)
	if waiting <= maxWaiting {
		return true
	}
	t.Logf("SKIPPED %s: %s (the machine had no time)", t.Name(), what)
	return false
}

// judge fails the test for what was wrong, unless there was no time since then.
func (then threads) judge(t *testing.T, what string, wrong []string) {
	t.Helper()
	if len(wrong) == 0 {
		return
	}
	say := t.Error
	if !then.hadTime(t, what) {
		say = t.Log
	}
	for _, text := range wrong {
		say(text)
	}
}

// waitIfTime is waitUntil, but gives up, and says so, where there is no time.
func waitIfTime(t *testing.T, what string, ok func() bool, detail func() string) bool {
	t.Helper()
	then := allThreads()
	for end := time.Now().Add(timely); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if ok() {
			return true
		}
	}
	if !then.hadTime(t, what) {
		return false
	}
	waitUntil(t, what, ok, detail)
	return true
}

// timely is how long something may take that a machine with time does at once.
const timely = 8 * time.Second

// untilIfTime waits until a condition holds on the page, or, where there is no
// time, what holds nevertheless. It reports whether the first was seen.
func (p *actor) untilIfTime(t *testing.T, condition, anyway string) bool {
	t.Helper()
	then := allThreads()
	if browser.WaitFor(p, "("+condition+")", "", timely) == nil {
		return true
	}
	if then.hadTime(t, "that pictures come as large and as often as was asked for") {
		p.until(t, "%s", condition)
		return true
	}
	p.until(t, "%s", anyway)
	return false
}

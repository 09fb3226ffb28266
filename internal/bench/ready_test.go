package main

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestLasts: all rows by default take a time that somebody will spend on them,
// since rows by which nothing is judged are run less often than the others.
func TestLasts(t *testing.T) {
	all := rows()
	if d := lasts(all, asUsual); d < 90*time.Minute || d > 125*time.Minute {
		t.Errorf("all rows take %v; DEVELOP.md and the script say about two hours", d)
	}
	want := map[string]int{
		"81 x 40: plenum": 5, "81 x 40: Prosody, gc generational": 5, "81 x 40: Prosody, gc incremental 105/250": 2, "1 x 321: Prosody, gc generational": 2,
		middling.name(): 5, collectingRow.name: 5, hundreds.name(): 2, audioRow: 5, audioRow + ", HMAC-SHA1": 2, largeProfile: 1, "1 x 1000, muted": 2,
	}
	for i := range all {
		r := &all[i]
		if r.takes < 10*time.Second {
			t.Errorf("%s cannot take %v", r.name, r.takes)
		}
		n, slow := r.times(asUsual), strings.HasSuffix(r.name, "Prosody, gc incremental 105/250")
		if (r.decides() && !slow) != (n == asUsual) || want[r.name] != 0 && want[r.name] != n {
			t.Errorf("%s is run %d times, and something is judged by it: %v", r.name, n, r.decides())
		}
		delete(want, r.name)
	}
	if len(want) > 0 {
		t.Errorf("there are no such rows: %v", want)
	}
}

// TestDurationSaid: how long all rows take is said by -list and by performance.md, and
// nowhere else in minutes.
func TestDurationSaid(t *testing.T) {
	said := regexp.MustCompile(`\d+ minutes|about two hours`)
	for file, want := range map[string]string{
		"../../docs/performance.md": strings.TrimPrefix(inMinutes(lasts(rows(), asUsual)), "about "),
		"../../bench":               "about two hours", "../../DEVELOP.md": "about two hours",
	} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		about := strings.Join(strings.Fields(string(text)), " ")
		if at := strings.Index(about, "./bench"); at >= 0 && file != "../../bench" {
			about = about[at:]
		}
		if got := said.FindString(about); got != want {
			t.Errorf("%s says %q, want %q", file, got, want)
		}
	}
}

// TestUncapped: how often is asked for is how often all are run.
func TestUncapped(t *testing.T) {
	for _, r := range uncapped(rows()) {
		if r.times(7) != 7 {
			t.Errorf("%s is run %d times", r.name, r.times(7))
		}
	}
}

// TestReady: what is missing is said in plain words before anything is run.
func TestReady(t *testing.T) {
	good := func() *place {
		return &place{linux: true, taskset: true, git: true, cores: map[string]bool{"0": true, "1": true}, files: 20000, lacks: map[string]bool{}, takes: time.Hour, runs: 5}
	}
	some := []row{{needs: "prosody"}, {needs: "prosody"}, {}}
	for name, tc := range map[string]struct {
		spoil   func(*place)
		refuses bool
		says    string
	}{
		"good":    {func(*place) {}, false, "3 rows, measured at most 5 times: about 60 minutes. What"},
		"darwin":  {func(f *place) { f.linux = false }, true, "on Linux only"},
		"taskset": {func(f *place) { f.taskset = false }, true, "install util-linux"},
		"cores":   {func(f *place) { f.cores["1"] = false }, true, "two cores are needed"},
		"files":   {func(f *place) { f.files = 4096 }, false, "may open 4096 files"},
		"prosody": {func(f *place) { f.lacks["prosody"] = true }, false, "prosody is not installed, without which this is left out: 2 rows (on Debian: apt-get install prosody)"},
		"git":     {func(f *place) { f.git = false }, false, "of which commit"},
		"busy":    {func(f *place) { f.load = 7 }, false, "load 7.0"},
	} {
		f := good()
		tc.spoil(f)
		said, err := f.notes(some), f.refuse(&settings{server: "0", load: "1"})
		if err != nil {
			said = append(said, err.Error())
		}
		if text := strings.Join(said, "\n"); (err != nil) != tc.refuses || !strings.Contains(text, tc.says) {
			t.Errorf("%s: %v, %s", name, err, text)
		}
		if name == "good" && len(said) != 1 {
			t.Errorf("there is nothing else to say: %q", said)
		}
	}
}

// TestLook: this machine has the cores that it has.
func TestLook(t *testing.T) {
	f := look(&settings{server: "0", load: "9999", runs: 1}, []row{{needs: "there-is-no-such-program", takes: time.Minute}})
	if f.taskset && (!f.cores["0"] || f.cores["9999"]) || !slices.Contains(slices.Collect(maps.Keys(f.lacks)), "there-is-no-such-program") || f.takes != time.Minute || f.files == 0 {
		t.Errorf("%+v", f)
	}
}

// TestPlan: in the right number, and never in no minutes.
func TestPlan(t *testing.T) {
	for _, tc := range []struct {
		rows, runs, seconds int
		want                string
	}{
		{1, 1, 20, "1 row, measured once: less than a minute."},
		{1, 1, 3720, "1 row, measured once: about 62 minutes."},
		{2, 5, 61, "2 rows, measured at most 5 times: about 1 minute."},
	} {
		f := &place{runs: tc.runs, takes: time.Duration(tc.seconds) * time.Second}
		if got := f.plan(tc.rows); got != tc.want {
			t.Errorf("%s, want %s", got, tc.want)
		}
	}
}

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestContainer writes limits into the files of both versions of control groups,
// and reads what was counted there.
func TestContainer(t *testing.T) {
	for name, tc := range map[string]struct {
		root    map[string]string // files there are before
		counted map[string]string
		limits  map[string]string
		refuses string
		killed  bool
		peak    float64
	}{
		"v2": {map[string]string{"cgroup.subtree_control": "cpu memory pids\n"}, map[string]string{"memory.events": "low 0\nhigh 0\nmax 7\noom 0\noom_kill 0\n", "memory.peak": "104857600\n"},
			map[string]string{"memory.max": "536870912"}, "", false, 100},
		"v2, killed": {map[string]string{"cgroup.subtree_control": "memory\n"}, map[string]string{"memory.events": "max 7\noom 2\noom_kill 1\n"}, nil, "", true, 0},
		"v1": {map[string]string{"memory/memory.failcnt": "0\n"}, map[string]string{"memory.failcnt": "7\n", "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n", "memory.max_usage_in_bytes": "104857600\n"},
			map[string]string{"memory.limit_in_bytes": "536870912"}, "", false, 100},
		"v1, killed":   {map[string]string{"memory/memory.failcnt": "0\n"}, map[string]string{"memory.failcnt": "7\n", "memory.oom_control": "oom_kill 3\n"}, nil, "", true, 0},
		"v2 of others": {map[string]string{"cgroup.subtree_control": "cpu\n"}, nil, nil, "not set up for memory", false, 0},
		"none":         {nil, nil, nil, "no control groups for memory", false, 0},
	} {
		root := t.TempDir()
		write := func(dir string, files map[string]string) {
			for file, text := range files {
				path := filepath.Join(dir, file)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
		write(root, tc.root)
		c, err := newContainer(root, smallContainer)
		if tc.refuses != "" {
			if err == nil || !strings.Contains(err.Error(), tc.refuses) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for file, want := range tc.limits {
			if text, err := os.ReadFile(filepath.Join(c.dir, file)); err != nil || string(text) != want {
				t.Errorf("%s: %s is %q, %v", name, file, text, err)
			}
		}
		if _, err := c.figures(); err == nil {
			t.Errorf("%s: there are figures where nothing was counted", name)
		}
		write(c.dir, tc.counted)
		f, err := c.figures()
		if (err != nil) != tc.killed || f[limitReached] != 7 || f[peakInContainer] != tc.peak {
			t.Errorf("%s: %v, %v", name, f, err)
		}
	}
}

// TestKilled: who needs more than there is is killed by the kernel, and that is
// seen.
func TestKilled(t *testing.T) {
	c, err := newContainer(groupRoot, 16<<20)
	if err != nil {
		t.Skip(err)
	}
	defer func() {
		if err := c.removeSoon(); err != nil {
			t.Error(err)
		}
	}()
	run := func(script string) error {
		args := append(c.enter(), "sh", "-c", script)
		return exec.Command(args[0], args[1:]...).Run()
	}
	if err := run("exit 0"); err != nil {
		t.Fatal(err)
	}
	if f, err := c.figures(); err != nil {
		t.Errorf("%v: %v", f, err)
	}
	if err := run("head -c 200000000 /dev/zero | tail"); err == nil { // tail keeps what may be the last line
		t.Error("200 MB fit into 16")
	}
	if f, err := c.figures(); err == nil || f[limitReached] == 0 {
		t.Errorf("%v: nobody was killed", f)
	}
}

// TestInContainers: what is said of rows with little memory can be bad.
func TestInContainers(t *testing.T) {
	at := func(name string, failed float64, more figures) entry {
		f := figures{"failed": failed}
		for k, v := range more {
			f[k] = v
		}
		return entry{Section: crowdSection, Name: name, Commit: "abc", Runs: []figures{f}}
	}
	counted := figures{peakInContainer: 424, limitReached: 0}
	const name = "forum-81x40, all come at once"
	lost := at(name+inContainer, 0, nil)
	lost.Failed, lost.Runs = 2, nil
	other := at(name, 3, nil)
	other.Commit = "abb"
	const killed = "nobody killed; at most 424 MB, with what the kernel has for it, and the limit reached 0 times; "
	for want, all := range map[string][]entry{
		killed + "failed 3.00 and 3.00 without, which must not be less: met.":    {at(name, 3, nil), at(name+inContainer, 3, counted)},
		killed + "failed 4.00 and 3.00 without, which must not be less: missed.": {at(name, 3, nil), at(name+inContainer, 4, counted)},
		"2 runs came to nothing: missed.":                                        {at(name, 3, nil), lost},
		killed + "failed 0; the same with all of the machine's memory was not":   {other, at(name+inContainer, 0, counted)},
	} {
		if got := inContainers(all, all); !strings.Contains(got, "- "+name+inContainer+": "+want) || strings.Count(got, "\n") > 0 {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := inContainers([]entry{other}, []entry{other}); got != "" {
		t.Error(got)
	}
}

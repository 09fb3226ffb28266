package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// smallContainer is the memory of the rows that are measured in little of it.
const smallContainer = 512 << 20 // bytes

// groupRoot is where Linux shows control groups.
const groupRoot = "/sys/fs/cgroup"

// container is a memory control group, as a container has one, of its own and
// with nothing else in it.
type container struct {
	dir   string
	files *groupFiles
	bytes int64
}

// groupFiles are the names of a control group's files. Those that count have a
// line for each count, or nothing but the count.
type groupFiles struct {
	limit, swap   string
	peak          string
	hits, hitsKey string // how often the limit was reached
	ends, endsKey string // processes that the kernel killed for that
}

// Version 2 of control groups, and version 1, whose memory has a tree of its own.
var (
	groupsV2 = groupFiles{"memory.max", "memory.swap.max", "memory.peak", "memory.events", "max", "memory.events", "oom_kill"}
	groupsV1 = groupFiles{"memory.limit_in_bytes", "memory.swappiness", "memory.max_usage_in_bytes", "memory.failcnt", "", "memory.oom_control", "oom_kill"}
)

// newContainer makes one below root ([groupRoot]) that may use so much memory,
// and no swap.
func newContainer(root string, bytes int64) (*container, error) {
	parent, files := filepath.Join(root, "memory"), &groupsV1
	if all, err := os.ReadFile(filepath.Join(root, "cgroup.subtree_control")); err == nil {
		if !strings.Contains(" "+string(all), " memory") {
			return nil, errors.New("control groups are not set up for memory here")
		}
		parent, files = root, &groupsV2
	}
	if files == &groupsV1 && !isThere(filepath.Join(parent, files.hits)) {
		return nil, errors.New("there are no control groups for memory here")
	}
	dir, err := os.MkdirTemp(parent, "plenum-bench-")
	if err != nil {
		return nil, fmt.Errorf("a control group takes root: %w", err)
	}
	c := &container{dir, files, bytes}
	if err := os.WriteFile(filepath.Join(dir, files.limit), []byte(fmt.Sprint(bytes)), 0o600); err != nil {
		return nil, errors.Join(err, c.remove())
	}
	if name := filepath.Join(dir, files.swap); isThere(name) { // else there is no swap
		if err := os.WriteFile(name, []byte("0"), 0o600); err != nil {
			return nil, errors.Join(err, c.remove())
		}
	}
	return c, nil
}

func isThere(name string) bool { _, err := os.Stat(name); return err == nil }

// noContainers says why rows in a container are left out, nil if they need not be.
func noContainers() error {
	c, err := newContainer(groupRoot, smallContainer)
	if err != nil {
		return err
	}
	return c.remove()
}

// enter is what is put before a command to start it in the container: in it from
// its beginning, when it looks how much memory there is.
func (c *container) enter() []string {
	return []string{"sh", "-c", `echo $$ >"$0" && exec "$@"`, filepath.Join(c.dir, "cgroup.procs")}
}

// remove removes it; everything that ran in it must have ended.
func (c *container) remove() error { return os.Remove(c.dir) }

// figures are what it counted, and an error if something in it was killed.
func (c *container) figures() (figures, error) {
	hits, err := c.read(c.files.hits, c.files.hitsKey)
	if err != nil {
		return nil, err
	}
	ends, err := c.read(c.files.ends, c.files.endsKey)
	if err != nil {
		return nil, err
	}
	f := figures{limitReached: hits}
	if peak, err := c.read(c.files.peak, ""); err == nil { // kernels before 5.19 do not say
		f[peakInContainer] = peak / (1 << 20)
	}
	if ends > 0 {
		return f, fmt.Errorf("the kernel killed the server: it had no more than %d MB", c.bytes>>20)
	}
	return f, nil
}

// read is the number of a line, or of a file with nothing else in it.
func (c *container) read(file, key string) (v float64, err error) {
	text, err := os.ReadFile(filepath.Join(c.dir, file))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, key); ok {
			if _, err := fmt.Sscan(rest, &v); err == nil {
				return v, nil
			}
		}
	}
	return 0, fmt.Errorf("%s says nothing of %q", file, key)
}

const (
	// limitReached is how often the memory of the container was full, so that the
	// kernel had to take something away first.
	limitReached = "limit reached"
	// peakInContainer is the most memory the container ever had, with what the
	// kernel has on its behalf, in MB.
	peakInContainer = "container peak MB"
	softLimit       = "go_gc_gomemlimit_bytes"
)

// contained is a row of a meeting whose server has little memory and is told
// nothing of that.
func contained(section, name string, m *meeting) row {
	within := *m
	within.memory = smallContainer
	return row{section: section, name: name + inContainer, takes: within.takes(), lacks: noContainers, once: within.run}
}

// inContainer is put after the name of the row that is the same without.
const inContainer = ", in 512 MB"

// runWithin is run in a container, which must have let the server live.
func (c *meeting) runWithin(ctx context.Context, s *settings, dir string) (figures, error) {
	in, err := newContainer(groupRoot, c.memory)
	if err != nil {
		return nil, err
	}
	on := *s
	on.within = in.enter()
	f, err := c.serve(ctx, &on, dir)
	counted, killed := in.figures()
	if err = errors.Join(killed, err, in.removeSoon()); err != nil {
		return nil, err
	}
	maps.Copy(f, counted)
	return f, nil
}

// removeSoon removes it when the kernel has noticed that nothing runs in it.
func (c *container) removeSoon() (err error) {
	for range 50 {
		if err = c.remove(); err == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	return err
}

// knows fails if the server does not know how little memory there is.
func (c *meeting) knows(ctx context.Context, admin string) error {
	m, err := scrape(ctx, admin)
	if err == nil && c.memory > 0 && (m[softLimit] <= 0 || m[softLimit] >= float64(c.memory)) {
		err = fmt.Errorf("the server has %d MB, and would use %.0f MB", c.memory>>20, m[softLimit]/(1<<20))
	}
	return err
}

// inContainers says how rows fared with little memory beside the same without,
// "" if there are none.
func inContainers(entries, all []entry) string {
	var lines []string
	for i := range entries {
		e := &entries[i]
		if !strings.HasSuffix(e.Name, inContainer) || len(e.Runs) == 0 && e.Failed == 0 {
			continue
		}
		lines = append(lines, "- "+e.Name+": "+e.besideFree(all)+".")
	}
	return strings.Join(lines, "\n")
}

// besideFree compares a row in a container with the same outside. Failed runs
// are worth a line of their own: they were killed, or nobody could come in.
func (e *entry) besideFree(all []entry) string {
	if e.Failed > 0 {
		return fmt.Sprintf("%s came to nothing: missed", count(e.Failed, "run"))
	}
	text := fmt.Sprintf("nobody killed; at most %s MB, with what the kernel has for it, and the limit reached %s times; failed %s",
		cell(e.Runs, peakInContainer), cell(e.Runs, limitReached), cell(e.Runs, "failed"))
	base := e.variantOf(all)
	if base == nil || !e.together(base) {
		return text + "; the same with all of the machine's memory was not measured together with it"
	}
	mine, _ := median(e.Runs, "failed")
	theirs, _ := median(base.Runs, "failed")
	met := "met"
	if mine > theirs {
		met = "missed"
	}
	return text + fmt.Sprintf(" and %s without, which must not be less: %s", cell(base.Runs, "failed"), met)
}

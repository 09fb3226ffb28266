package main

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestBeside lets plenum be its own peer: both ways of measuring must find
// the same packets.
func TestBeside(t *testing.T) {
	t.Chdir("../..")
	dir := t.TempDir()
	bin, err := build(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	s := &settings{plenum: bin, server: "0", load: "0"}
	server, public, admin, err := startAll(t.Context(), s, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer server.stop()
	c := call{1, 3, 1, "tile", time.Second, 3 * time.Second}
	// A machine that is busy with other tests needs some time until all are in.
	p := &peer{name: "another", url: public, pids: []int{server.pid()}, warm: 8 * time.Second}
	r := p.row(c)
	before, err := scrape(t.Context(), admin)
	if err != nil {
		t.Fatal(err)
	}
	f, err := r.once(t.Context(), s, dir)
	if err != nil {
		t.Fatal(err)
	}
	after, err := scrape(t.Context(), admin)
	if err != nil {
		t.Fatal(err)
	}
	forwarded := change{before, after}.of("plenum_bridge_video_packets_forwarded_total") +
		change{before, after}.of("plenum_bridge_audio_packets_forwarded_total")
	// What was received in the window is a part of all that was forwarded.
	if n := f["packets/s"] * 3; n < 100 || n > forwarded || f["us per packet"] <= 0 {
		t.Errorf("%v; %.0f packets were forwarded", f, forwarded)
	}
	if r.name != "1 x 3, 1 camera, tile: another" {
		t.Error(r.name)
	}
}

// TestProcesses refuses what is no process of this machine.
func TestProcesses(t *testing.T) {
	own := strconv.Itoa(os.Getpid())
	if pids, err := processes(own + "," + own); err != nil || len(pids) != 2 {
		t.Error(pids, err)
	}
	for _, list := range []string{"", "x", own + ",", "0", "-1"} {
		if _, err := processes(list); err == nil {
			t.Errorf("%q is taken", list)
		}
	}
}

// TestPeersRow stands below plenum's of the same shape, with the ratio under
// the table.
func TestPeersRow(t *testing.T) {
	dir := t.TempDir()
	b, err := openBook(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := callRows(mediaSection, mediaCalls()...)
	p := peer{name: "another 1.0"}
	foreign := p.row(mediaCalls()[1])
	for _, e := range []struct {
		row *row
		us  float64
	}{{&all[2], 5}, {&foreign, 40}, {&all[1], 8}} {
		b.enter(e.row, time.Now(), []figures{{"us per packet": e.us}}, 0)
	}
	if err := b.write(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "performance.md"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		if name, _, ok := strings.Cut(strings.TrimPrefix(line, "| "), " |"); ok && strings.Contains(name, " x ") && !slices.Contains(names, name) { // of two tables
			names = append(names, name)
		}
	}
	if got, want := strings.Join(names, "; "), all[1].name+"; "+foreign.name+"; "+all[2].name; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if want := "1 x 40, 4 cameras, tile: another 1.0 takes 5.00 times the CPU time of plenum for a packet, both measured within 1 minute."; !strings.Contains(string(text), want) {
		t.Errorf("no %q in\n%s", want, text)
	}
}

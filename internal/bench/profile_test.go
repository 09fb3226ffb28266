package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"
)

// TestShares divides a profile of six stacks, the innermost functions first.
func TestShares(t *testing.T) {
	const ours = "github.com/plenum-conf/plenum/internal/"
	p := &profile.Profile{SampleType: []*profile.ValueType{{Type: "samples", Unit: "count"}, {Type: "cpu", Unit: "nanoseconds"}}}
	add := func(ms int64, stack ...string) {
		s := &profile.Sample{Value: []int64{ms / 10, ms * 1e6}}
		for _, name := range stack {
			f := &profile.Function{ID: uint64(len(p.Function) + 1), Name: name}
			l := &profile.Location{ID: f.ID, Line: []profile.Line{{Function: f}}}
			p.Function, p.Location, s.Location = append(p.Function, f), append(p.Location, l), append(s.Location, l)
		}
		p.Sample = append(p.Sample, s)
	}
	turn := []string{ours + "bridge.(*worker).turn", ours + "bridge.(*worker).run"}
	add(500, append([]string{"internal/runtime/syscall/linux.Syscall6", ours + "netio.(*sender).all", ours + "netio.(*Socket).flush"}, turn...)...)
	add(200, append([]string{"crypto/internal/fips140/aes/gcm.seal", ours + "srtp.(*Sealer).SealRTP", ours + "bridge.(*worker).sealHere", ours + "bridge.(*videoSub).send"}, turn...)...)
	add(200, append([]string{"runtime.memmove", ours + "bridge.(*outHeader).write", ours + "bridge.(*videoSub).send"}, turn...)...)
	add(70, append([]string{"time.now"}, turn...)...)
	add(20, "crypto/internal/fips140/nistec.p256Mul", "crypto/ecdsa.Verify", "github.com/pion/dtls/v3.flight4Parse", "sync.(*WaitGroup).Go.func1")
	add(10, "syscall.write", "internal/poll.(*FD).Write", "net.(*conn).Write", ours+"signal.(*conn).drain")
	var file bytes.Buffer
	if err := p.Write(&file); err != nil {
		t.Fatal(err)
	}
	f, used, err := readProfile(&file)
	if err != nil || used != time.Second {
		t.Fatal(used, err)
	}
	for _, column := range shareColumns() {
		want := map[string]float64{"sendmmsg %": 50, "seal %": 20, "forward %": 20, "handshake %": 2, "streams %": 1, otherShare: 7}[column]
		if f[column] != want {
			t.Errorf("%s is %v, want %v", column, f[column], want)
		}
	}
}

// TestUnlike: what a profile shows is told of a row only if it is of the same
// packets at about the same price.
func TestUnlike(t *testing.T) {
	const shape = largeRow
	at := func(section, name string, us, each float64) entry {
		e := seen(section, name, each)
		e.Commit, e.Runs[0][forwardingCost], e.Runs[0]["seal %"] = "abc", us, 12
		return e
	}
	row, dearer := at(costSection, shape, 4, 159), at(costSection, shape, 5, 159)
	row.Runs = append(row.Runs, dearer.Runs...)
	for _, tc := range []struct {
		us, each   float64
		way, below string
	}{
		{4.8, 159, "The largest shares of the server's CPU time are seal 12.0 % (" + largeProfile + ", at abc).", "1.07 (0.960-1.20) times what it takes in its row."},
		{6.2, 159, "The largest shares", "row."},
		{6.3, 159, "What its CPU time goes to is not known: a packet took 6.30 us in the profile and 4.00, 5.00 in the row (" + largeProfile + ", at abc).", "shows nothing of it: a packet took 6.30 us"},
		{3.1, 159, "What its CPU time goes to is not known", "shows nothing"},
		{4.8, 120, "What its CPU time goes to is not known: video was cut", "shows nothing of it: video was cut"},
	} {
		all := []entry{row, at(profileSection, largeProfile, tc.us, tc.each)}
		if got := inTheWay(all, shape); !strings.HasPrefix(got, tc.way) {
			t.Errorf("%+v: %s", tc, got)
		}
		if got := besideRows(all[1:], all); !strings.HasPrefix(got, "- "+largeProfile+": a packet takes ") || !strings.Contains(got, tc.below) {
			t.Errorf("%+v: %s", tc, got)
		}
	}
	alone := []entry{at(profileSection, largeProfile, 9, 159)}
	if got := besideRows(alone, alone); got != "" || !strings.HasPrefix(inTheWay(alone, shape), "The largest shares") {
		t.Errorf("without its row: %q", got)
	}
}

func TestBatches(t *testing.T) {
	f := figures{}
	f.batches(change{
		map[string]float64{"plenum_bridge_turns_total": 5, "plenum_bridge_socket_send_datagrams_total": 10, "plenum_bridge_socket_flushes_total": 1},
		map[string]float64{"plenum_bridge_turns_total": 9, "plenum_bridge_socket_send_datagrams_total": 70, "plenum_bridge_socket_flushes_total": 4},
	}, 2)
	if f["turns/s"] != 2 || f["packets a flush"] != 20 {
		t.Error(f)
	}
}

// TestSharesExist: what shares are made of still goes by those names.
func TestSharesExist(t *testing.T) {
	method := regexp.MustCompile(`^([a-z/]+)\.\(\*(\w+)\)(?:\.(\w+))?$`)
	for _, s := range shares {
		for _, name := range s.of {
			if foreign(t, name) {
				continue
			}
			part := method.FindStringSubmatch(name)
			pkg, want := strings.TrimSuffix(name, "."), regexp.MustCompile(`(?m)^package `)
			if part != nil {
				pkg, want = part[1], regexp.MustCompile(`(?m)^func \(\w+ \*`+part[2]+`\) `+part[3])
			}
			if !found(t, filepath.Join("..", pkg, "*.go"), want) {
				t.Errorf("%s: nothing is called %s", s.column, name)
			}
		}
	}
}

// foreign says whether a name is none of this module: one of the standard
// library, or of a module that is required.
func foreign(t *testing.T, name string) bool {
	if strings.HasPrefix(name, "github.com/") {
		return found(t, "../../go.mod", regexp.MustCompile(regexp.QuoteMeta(name)))
	}
	pkg, _, _ := strings.Cut(strings.TrimPrefix(name, "internal/"), ".")
	return slices.Contains([]string{"runtime", "poll", "net", "net/http", "crypto/tls"}, pkg)
}

func found(t *testing.T, pattern string, want *regexp.Regexp) bool {
	files, _ := filepath.Glob(pattern) // the pattern is well-formed
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if want.Match(text) {
			return true
		}
	}
	return false
}

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"
)

// TestShares divides a profile of four stacks, the innermost functions first.
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
	add(100, append([]string{"time.now"}, turn...)...)
	var file bytes.Buffer
	if err := p.Write(&file); err != nil {
		t.Fatal(err)
	}
	f, used, err := readProfile(&file)
	if err != nil || used != time.Second {
		t.Fatal(used, err)
	}
	for _, column := range shareColumns() {
		want := map[string]float64{"sendmmsg %": 50, "seal %": 20, "forward %": 20, otherShare: 10}[column]
		if f[column] != want {
			t.Errorf("%s is %v, want %v", column, f[column], want)
		}
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
			if strings.HasPrefix(name, "runtime.") || strings.HasPrefix(name, "internal/") {
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

package probe

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestReadMetrics(t *testing.T) {
	u, err := readMetrics(strings.NewReader("# HELP x\nprocess_cpu_seconds_total 12.5\nprocess_resident_memory_bytes 4.2e+07\nplenum_bridge_packets_total 7\nplenum_x{a=\"b c\"} 1\nother 3\nbad\n"))
	if err != nil || u.cpu != 12500*time.Millisecond || u.memory != 42_000_000 || len(u.counters) != 1 || u.counters["plenum_bridge_packets_total"] != 7 {
		t.Errorf("%+v, %v", u, err)
	}
	for _, text := range []string{"", "process_cpu_seconds_total NaN\n", "process_cpu_seconds_total -1\n", strings.Repeat("x", 100_000)} {
		if _, err := readMetrics(strings.NewReader(text)); err == nil {
			t.Errorf("%.40q was read", text)
		}
	}
}

func TestReadStat(t *testing.T) {
	u, err := readStat("77 (a (b) c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 9 0 100 1000 25 18446744073709551615")
	if err != nil || u.cpu != 2*time.Second || u.memory != uint64(25*os.Getpagesize()) {
		t.Errorf("%+v, %v", u, err)
	}
	for _, text := range []string{"", "1 (x) S 1", "1 (x S 1 2 3"} {
		if _, err := readStat(text); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}

// FuzzRead: no answer makes it panic.
func FuzzRead(f *testing.F) {
	f.Add("process_cpu_seconds_total 1\nplenum_a 2")
	f.Add("77 (a) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 9 0 100 1000 25")
	f.Fuzz(func(_ *testing.T, text string) {
		_, _ = readMetrics(strings.NewReader(text))
		_, _ = readStat(text)
	})
}

// TestMetrics: a server's metrics are asked for where they are.
func TestMetrics(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/metrics" {
			t.Errorf("asked for %s", r.URL)
		}
		_, _ = io.WriteString(w, "process_cpu_seconds_total 10\n")
	}))
	defer server.Close()
	src, err := Metrics(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	if u, err := src.look(context.Background()); err != nil || u.cpu != 10*time.Second || src.name != server.URL+"/metrics" {
		t.Errorf("%+v, %v, of %s", u, err, src.name)
	}
}

// TestWatch: the server's use between two looks becomes cores. Time is
// simulated.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		looks := 0
		src := &Source{"a server", func(context.Context) (usage, error) {
			looks++
			return usage{cpu: time.Duration(looks) * 3 * time.Second, memory: 7}, nil
		}}
		stop := Watch(context.Background(), src)
		time.Sleep(2*period + period/2)
		got := stop()
		if looks != 3 || len(got.Samples) != 2 || got.Source != "a server" || got.Error != "" {
			t.Fatalf("%d looks, %+v", looks, got)
		}
		for i, s := range got.Samples {
			if s.CPU != 3*float64(time.Second)/float64(period) || s.At != time.Duration(i+1)*period || s.Memory != 7 {
				t.Errorf("%+v", s)
			}
		}
	})
	if Watch(context.Background(), nil)() != nil {
		t.Error("nothing was watched")
	}
}

func TestWrongSources(t *testing.T) {
	if _, err := Metrics("localhost:8081"); err == nil || !strings.Contains(err.Error(), "http://127.0.0.1:8081") {
		t.Error(err)
	}
	if _, err := Process(1 << 30); err == nil {
		t.Error("there is a process of that number")
	}
	if _, err := Process(os.Getpid()); err != nil && runtime.GOOS == "linux" {
		t.Error(err)
	}
	server := httptest.NewServer(http.NotFoundHandler())
	src, err := Metrics("http://user:secret@" + strings.TrimPrefix(server.URL, "http://"))
	if err != nil || strings.Contains(src.name, "secret") {
		t.Error(src, err)
	}
	if _, err := src.look(context.Background()); err == nil || !strings.Contains(err.Error(), "404") {
		t.Error(err)
	}
	server.Close()
	if _, err := src.look(context.Background()); err == nil || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
}

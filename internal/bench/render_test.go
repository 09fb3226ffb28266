package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.0123: "0.012", 0.5: "0.500", 1.234: "1.23", 36.71: "36.7", 129600: "129600", 364.6: "365"} {
		if got := number(v); got != want {
			t.Errorf("%v: %s, want %s", v, got, want)
		}
	}
}

// TestBook measures a row twice and another once: the first is replaced, the
// order is that of the table, and medians and spreads are shown.
func TestBook(t *testing.T) {
	dir := t.TempDir()
	all := rows()
	for _, step := range []struct {
		row  int
		cpus []float64
	}{{1, []float64{9}}, {0, []float64{3, 1, 2}}, {1, []float64{5, 5}}} {
		b, err := openBook(dir)
		if err != nil {
			t.Fatal(err)
		}
		var runs []figures
		for _, v := range step.cpus {
			runs = append(runs, figures{"join CPU-s": v})
		}
		b.enter(&all[step.row], runs)
		if err := b.write(); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "performance.md"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	var table []string
	for _, l := range lines {
		if strings.Contains(l, " x ") && strings.HasPrefix(l, "|") {
			table = append(table, l)
		}
	}
	if len(table) != 2 || !strings.HasPrefix(table[0], "| "+all[0].name) || !strings.Contains(table[0], " 2.00 (1.00-3.00) |") || !strings.Contains(table[1], " 5.00 |") {
		t.Errorf("%s", text)
	}
}

// TestScrape reads metrics as a server exposes them: sums over labels.
func TestScrape(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "# HELP a words\na_total{worker=\"0\"} 2\na_total{worker=\"1\"} 1.5e1\nb 3\n")
	}))
	defer s.Close()
	m, err := scrape(t.Context(), s.URL)
	if err != nil || m["a_total"] != 17 || m["b"] != 3 {
		t.Error(m, err)
	}
}

package config

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestExampleParsesToTheDefaults(t *testing.T) {
	var c Config
	if err := Parse([]byte(Example()), &c); err != nil {
		t.Fatal(err)
	}
	if want := Default(); !reflect.DeepEqual(c, want) {
		t.Errorf("example parses to\n%+v\nwant\n%+v", c, want)
	}
}

func TestExampleFileIsCurrent(t *testing.T) {
	got, err := os.ReadFile("../../docs/plenum.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != Example() {
		t.Error("docs/plenum.example.yaml is stale; run: go run ./cmd/plenum config example > docs/plenum.example.yaml")
	}
}

func TestEveryKeyIsDocumented(t *testing.T) {
	for _, k := range Keys() {
		if len(k.Doc) < 20 || !strings.HasSuffix(k.Doc, ".") {
			t.Errorf("%s: documentation %q is not a sentence", k.Path, k.Doc)
		}
	}
}

func TestParse(t *testing.T) {
	for _, tc := range []struct {
		name, yaml string
		want       func(*Config) bool
		errHas     []string // all must occur; empty: no error
	}{
		{name: "empty", yaml: "", want: func(c *Config) bool { return reflect.DeepEqual(*c, Default()) }},
		{name: "one key", yaml: "domain: meet.example\n", want: func(c *Config) bool { return c.Domain == "meet.example" && c.HTTP.Listen == "127.0.0.1:8080" }},
		{name: "duration", yaml: "signal:\n  hibernation: 45s\n", want: func(c *Config) bool { return c.Signal.Hibernation == 45*time.Second }},
		{name: "map replaces", yaml: "focus:\n  source-signaling-delays: {5: 1s}\n", want: func(c *Config) bool {
			return reflect.DeepEqual(c.Focus.SourceSignalingDelays, map[int]time.Duration{5: time.Second})
		}},
		{name: "limits by size", yaml: "media:\n  conference-last-n-limits: {20: 20, 50: 10}\n  loudest: {above: 40}\n", want: func(c *Config) bool {
			return reflect.DeepEqual(c.Media.LastNLimits, map[int]int{20: 20, 50: 10}) && c.Media.Loudest == Loudest{Above: 40, Speakers: 5}
		}},
		{name: "bad limits", yaml: "media:\n  conference-last-n-limits: {20: -2}\n  loudest: {speakers: -1}\n", errHas: []string{"conference-last-n-limits: 20: -2", "media.loudest.speakers"}},
		{name: "unknown key names its line", yaml: "domain: a.example\nmedai:\n  listen: :1\n", errHas: []string{"[2:1]", "medai"}},
		{name: "unknown nested key", yaml: "domain: a.example\nmedia:\n  lisen: :1\n", errHas: []string{"[3:3]", `"lisen" here; did you mean listen?`}},
		{name: "several mistakes", yaml: "domian: x\nmedai: {}\nhttp:\n  lisen: ':1'\n  listen: [a]\nsignal: {max-frame: lots, hibernation: soon, history: 5}\n",
			errHas: []string{"[1:1] there is no key \"domian\" here; did you mean domain?", "[2:1] there is no key \"medai\"", "[4:3] there is no key \"lisen\"", "[5:11] this must be a text", "[6:21] this must be a whole number", "[6] \"soon\""}},
		{name: "one mistake after the other", yaml: "domian: x\nmedia: {loudest: {abvoe: 3, spaekers: 3}}\n", errHas: []string{"[2:19]", "[2:29]"}},
		{name: "a mistake in a list", yaml: "roles: [signal, {a: 1}]\nmedai: 1\n", errHas: []string{"[1:", "[2:1]"}},
		{name: "a tab", yaml: "http:\n\tlisten: ':1'\n", errHas: []string{"[2:1] there is a tab, where only spaces may be: indent with spaces\n"}},
		{name: "a tab after a value", yaml: "domain: a.example\t# ours\n", want: func(c *Config) bool { return c.Domain == "a.example" }},
		{name: "nearly a section", yaml: "htpp:\n  listen: :1\n", errHas: []string{"[1:1]", "did you mean http?"}},
		{name: "nearer than the first that is near", yaml: "admain: {}\n", errHas: []string{"mean admin?"}},
		{name: "short and not alike", yaml: "tap: 1\n", errHas: []string{"plenum config describe"}},
		{name: "key of another section", yaml: "domain: a.example\nmax-occupants: 5\n", errHas: []string{"[2:1]", "it belongs to signal"}},
		{name: "key of no section", yaml: "http: {domain: a.example}\n", errHas: []string{"[1:8]", "it belongs to the top level"}},
		{name: "nothing alike", yaml: "visitors: 5\n", errHas: []string{"[1:1]", "plenum config describe"}},
		{name: "text for list", yaml: "roles: signal\n", errHas: []string{"[1:8]", "this must be a list: write roles: [signal]"}},
		{name: "texts for list", yaml: "focus:\n  codecs: VP8, VP9\n", errHas: []string{"[2:", "write codecs: [VP8, VP9]"}},
		{name: "keys for list", yaml: "roles:\n  signal: true\n", errHas: []string{"[2:", "a list in brackets"}},
		{name: "block for list", yaml: "roles: |\n  signal\n", errHas: []string{"[1:", "a list in brackets"}},
		{name: "text for section", yaml: "media: :10000\n", errHas: []string{"[1:8]", `media must have keys with values below it: "plenum config describe media"`}},
		{name: "list for all", yaml: "- domain\n", errHas: []string{"[1:1]", "such as domain: meet.example"}},
		{name: "wrong type", yaml: "signal:\n  max-frame: lots\n", errHas: []string{"[2:", "whole number"}},
		{name: "duration without unit", yaml: "signal:\n  hibernation: 45\n", errHas: []string{"[2:", "500ms"}},
		{name: "yes for true", yaml: "web: {p2p: yes}\n", errHas: []string{"[1:", "true or false"}},
		{name: "list for text", yaml: "domain: [a]\n", errHas: []string{"[1:", "text"}},
		{name: "map key", yaml: "focus:\n  source-signaling-delays: {many: 1s}\n", errHas: []string{"[2:", "whole number"}},
		{name: "bad duration, not the first line with these letters", yaml: "http: {listen: '127.0.0.5:80'}\nsignal:\n  hibernation: '5' # s\n", errHas: []string{"[3]", "500ms"}},
		{name: "two documents", yaml: "domain: a.example\n---\ndomain: b.example\n", errHas: []string{"---"}},
		{name: "bad duration names its line", yaml: "signal:\n  hibernation: soon\n", errHas: []string{"[2]", "soon", "45s"}},
		{name: "unit missing", yaml: "signal:\n  hibernation: 45 s\n", errHas: []string{"[2]", "500ms"}},
		{name: "URL as domain", yaml: "domain: https://meet.example\n", errHas: []string{"domain:", "https://"}},
		{name: "hole in domain", yaml: "domain: meet..example\n", errHas: []string{"domain:"}},
		{name: "one role", yaml: "roles: [bridge]\n", errHas: []string{"signal, focus, web"}},
		{name: "several bad values", yaml: "domain: A b\nhttp: {listen: nonsense}\nroles: [signal, jibri]\n", errHas: []string{"domain:", "http.listen:", "jibri"}},
		{name: "signal alone", yaml: "roles: [signal]\n", want: func(c *Config) bool { return len(c.Roles) == 1 }},
		{name: "partial roles", yaml: "roles: [signal, web]\n", errHas: []string{"one process"}},
		{name: "key without certificate", yaml: "http: {key: a.pem}\n", errHas: []string{"http.key"}},
		{name: "advertise", yaml: "media: {advertise: [198.51.100.7, '198.51.100.7:443', host.example]}\n", errHas: []string{"host.example"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := Default()
			err := Parse([]byte(tc.yaml), &c)
			if len(tc.errHas) == 0 {
				if err != nil || !tc.want(&c) {
					t.Fatalf("got %+v, %v", c, err)
				}
				return
			}
			if err == nil {
				t.Fatal("no error")
			}
			for _, s := range tc.errHas {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("error %q does not mention %q", err, s)
				}
			}
		})
	}
}

// TestMistakesInOrder: whatever the decoder comes upon first, mistakes are told
// by line, and no more of them than anybody reads.
func TestMistakesInOrder(t *testing.T) {
	var file strings.Builder
	for i := range 3 * maxMistakes {
		fmt.Fprintf(&file, "unknown%d: 1\n", i)
	}
	c := Default()
	err := Parse([]byte(file.String()), &c)
	if err == nil || strings.Count(err.Error(), "there is no key") != maxMistakes {
		t.Fatal(err)
	}
	c = Default()
	err = Parse([]byte("medai: 1\nroles: x\nhtpp: 1\nweb: {p2p: yes}\n"), &c)
	last := -1
	for _, line := range []string{"[1:1]", "[2:8]", "[3:1]", "[4:12]"} {
		at := strings.Index(err.Error(), line)
		if at <= last {
			t.Errorf("%s is not where it should be:\n%v", line, err)
		}
		last = at
	}
}

// TestTypos compares with trying all ways to make one text of the other.
func TestTypos(t *testing.T) {
	var obvious func(a, b string) int
	obvious = func(a, b string) int {
		if a == "" || b == "" {
			return len(a) + len(b)
		}
		if a[0] == b[0] {
			return obvious(a[1:], b[1:])
		}
		return 1 + min(obvious(a[1:], b), obvious(a, b[1:]), obvious(a[1:], b[1:]))
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	word := func() string {
		b := make([]byte, rnd.IntN(7))
		for i := range b {
			b[i] = "abc"[rnd.IntN(3)]
		}
		return string(b)
	}
	for range 2000 {
		a, b := word(), word()
		if got, want := min(typos(a, b), maxTypos+1), min(obvious(a, b), maxTypos+1); got != want {
			t.Fatalf("%q, %q: %d, want %d", a, b, got, want)
		}
	}
}

// TestPair: a certificate that is named can be used, or the error says which
// setting is at fault.
func TestPair(t *testing.T) {
	if pair, err := (&HTTP{}).Pair(); pair != nil || err != nil {
		t.Errorf("without a certificate: %v, %v", pair, err)
	}
	dir := t.TempDir()
	server := httptest.NewTLSServer(nil)
	server.Close()
	cert := server.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	good := HTTP{Certificate: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	for file, block := range map[string]*pem.Block{good.Certificate: {Type: "CERTIFICATE", Bytes: cert.Certificate[0]}, good.Key: {Type: "PRIVATE KEY", Bytes: key}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if pair, err := good.Pair(); err != nil || !bytes.Equal(pair.Certificate[0], cert.Certificate[0]) {
		t.Errorf("with a certificate: %v, %v", pair, err)
	}
	none, empty := filepath.Join(dir, "none.pem"), filepath.Join(dir, "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{none: "no such file", empty: "failed to find"} {
		if _, err := (&HTTP{Certificate: file, Key: file}).Pair(); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "http.certificate") {
			t.Errorf("%s: %v, want %q", file, err, want)
		}
	}
}

func TestLoadMissingFile(t *testing.T) {
	if _, err := Load(t.TempDir() + "/none.yaml"); err == nil || !strings.Contains(err.Error(), "cannot open") {
		t.Errorf("got %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(Example()))
	f.Add([]byte("a: [b"))
	f.Add([]byte("roles: signal"))
	f.Add([]byte("a: &a x\nroles: *a"))
	f.Add([]byte("http: {lisen: |\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 4096 {
			return
		}
		c := Default()
		_ = Parse(b, &c)
	})
}

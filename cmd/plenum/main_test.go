package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/config"
)

func TestRun(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.yaml")
	if err := os.WriteFile(bad, []byte("domain: meet.example\nmedai: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	good := filepath.Join(dir, "good.yaml")
	if err := os.WriteFile(good, []byte(config.Example()), 0o600); err != nil {
		t.Fatal(err)
	}
	keyless := filepath.Join(dir, "keyless.yaml")
	if err := os.WriteFile(keyless, []byte("http: {certificate: "+dir+"/none.pem, key: "+dir+"/none.key}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	open := filepath.Join(dir, "open.yaml")
	if err := os.WriteFile(open, []byte("domain: meet.example\nhttp: {listen: \":443\"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	writeOld(t, dir)
	old := filepath.Join(dir, "old.yaml")
	if err := os.WriteFile(old, []byte("domain: meet.example\nhttp: {certificate: "+dir+"/old.pem, key: "+dir+"/old.key}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, args string
		status     int
		out, err   string
	}{
		{"help", "--help", 0, "plenum serve", ""},
		{"help of serve", "serve --help", 0, "--advertise", ""},
		{"no command", "", 0, "plenum serve", ""},
		{"help as a command", "help", 0, "plenum serve", ""},
		{"help of a command", "help config", 0, "describe", ""},
		{"half a command", "config", 1, "", "plenum config --help"},
		{"unknown command", "sevre", 1, "", "sevre"},
		{"unknown flag", "serve --prot 1", 1, "", "--prot"},
		{"where to look", "serve --prot 1", 1, "", "See: plenum serve --help"},
		{"version", "version", 0, "plenum ", ""},
		{"version as a flag", "--version", 0, "plenum ", ""},
		{"example", "config example", 0, "domain:", ""},
		{"describe", "config describe hibernation", 0, "signal.hibernation (duration, default 1m)", ""},
		{"describe nothing", "config describe nosuchkey", 1, "", "nosuchkey"},
		{"check good", "config check " + good, 0, "is fine", ""},
		{"check bad names the line", "config check " + bad, 1, "", "[2:1]"},
		{"check a certificate that is missing", "config check " + keyless, 1, "", "none.pem: no such file"},
		{"serve with a certificate that is missing", "serve --http 127.0.0.1:0 --media 127.0.0.1:0 --config " + keyless, 1, "", "none.pem: no such file"},
		{"check what serve would say", "config check " + open, 0, "can be served, and \"plenum serve\" will say:\n  Beware   browsers refuse camera and microphone on http://meet.example:443: use https", ""},
		{"check an old certificate", "config check " + old, 1, "", "  BEWARE   the certificate " + dir + "/old.pem ended on 2020-01-02 00:00 UTC, and browsers refuse it: renew it"},
		{"check missing", "config check " + dir + "/none.yaml", 1, "", "cannot open"},
		{"serve with a bad flag value", "serve --http nonsense", 1, "", "http.listen"},
		{"serve with some roles", "serve --roles signal,focus", 1, "", "one process"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var out, errOut strings.Builder
			status := run(strings.Fields(tc.args), &out, &errOut)
			if status != tc.status {
				t.Errorf("status %d, want %d; %s", status, tc.status, errOut.String())
			}
			if !strings.Contains(out.String(), tc.out) || !strings.Contains(errOut.String(), tc.err) {
				t.Errorf("stdout %q, stderr %q", out.String(), errOut.String())
			}
		})
	}
}

func TestFlagsGoOverTheFile(t *testing.T) {
	c := config.Default()
	c.Admin.Listen = "127.0.0.1:9"
	s := serveCmd{Domain: "meet.example", HTTP: ":80", Media: ":3478", Admin: "", Advertise: []string{"198.51.100.7"}}
	s.overlay(&c)
	if c.Domain != "meet.example" || c.HTTP.Listen != ":80" || c.Media.Listen != ":3478" || c.Admin.Listen != "" || len(c.Media.Advertise) != 1 {
		t.Errorf("got %+v", c)
	}
	c = config.Default()
	(&serveCmd{Admin: unset}).overlay(&c)
	if c.Admin.Listen != config.Default().Admin.Listen {
		t.Error("an absent --admin turned the admin listener off")
	}
}

// writeOld writes a certificate that ended in 2020, old.pem, with its key,
// old.key.
func writeOld(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ended := time.Date(2020, 1, 2, 0, 0, 0, 0, time.UTC)
	about := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: ended.Add(-time.Hour), NotAfter: ended, DNSNames: []string{"meet.example"}}
	cert, err := x509.CreateCertificate(rand.Reader, about, about, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"old.pem": {Type: "CERTIFICATE", Bytes: cert}, "old.key": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

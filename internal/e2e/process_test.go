package e2e

import (
	"bufio"
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// startProcess builds and runs the real binary on free ports and returns the
// host and port of its public listener.
func startProcess(t testing.TB) (cmd *exec.Cmd, host string) {
	t.Helper()
	cmd, host, _ = runBinary(t)
	return cmd, host
}

// runBinary is startProcess for those who also want the admin listener's URL.
func runBinary(t testing.TB, more ...string) (cmd *exec.Cmd, host, admin string) {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "plenum")
	if out, err := exec.Command("go", "build", "-o", bin, "../../cmd/plenum").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	args := append([]string{"serve", "--http", "127.0.0.1:0", "--media", ":0", "--admin", "127.0.0.1:0"}, more...)
	cmd = exec.Command(bin, args...)
	if os.Getenv("PLENUM_TEST_LOG") != "" {
		cmd.Stderr = os.Stderr
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	for sc := bufio.NewScanner(out); sc.Scan(); {
		_, url, _ := strings.Cut(sc.Text(), "http://")
		switch {
		case strings.Contains(sc.Text(), "Open"):
			host = strings.TrimSuffix(url, "/AnyRoom")
		case strings.Contains(sc.Text(), "Admin"):
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return cmd, host, "http://" + url
		}
	}
	t.Fatal("the process ended without saying what to open")
	return nil, "", ""
}

// openStream opens a WebSocket and an XMPP stream on it.
func openStream(t *testing.T, host string) net.Conn {
	t.Helper()
	d := ws.Dialer{Protocols: []string{"xmpp"}}
	conn, _, _, err := d.Dial(context.Background(), "ws://"+host+"/xmpp-websocket?room=stop")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	open := `<open xmlns="urn:ietf:params:xml:ns:xmpp-framing" to="localhost" version="1.0"/>`
	if err := wsutil.WriteClientText(conn, []byte(open)); err != nil {
		t.Fatal(err)
	}
	first, err := wsutil.ReadServerText(conn)
	if err != nil || !strings.HasPrefix(string(first), "<open ") {
		t.Fatalf("first frame %q, %v", first, err)
	}
	return conn
}

// TestTermStopsCleanly: kill -TERM ends the process in time and without
// error, and its clients are told in a way that lets them resume: a closed
// WebSocket, and no stream error before it.
func TestTermStopsCleanly(t *testing.T) {
	cmd, host := startProcess(t)
	conn := openStream(t, host)
	if _, err := wsutil.ReadServerText(conn); err != nil { // features
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	stopped := time.Now()
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	frame, err := wsutil.ReadServerText(conn)
	if closed, ok := err.(wsutil.ClosedError); !ok || (closed.Code != ws.StatusGoingAway && closed.Code != 1012) {
		t.Errorf("clients are told %q, %v; want a close with code 1001 or 1012", frame, err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the process ended with %v", err)
	}
	if took := time.Since(stopped); took > 5*time.Second {
		t.Errorf("stopping took %v", took)
	}
}

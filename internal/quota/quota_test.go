package quota

import (
	"testing"
)

func TestQuota(t *testing.T) {
	q := New(5, 2)
	take := func(client string, want bool) {
		t.Helper()
		if q.Left(client) != want || q.Take(client) != want {
			t.Errorf("%q: want %t; %d are taken", client, want, q.has)
		}
	}
	take("a", true)
	take("a", true)
	take("a", false) // its share
	take("b", true)
	take("", true)
	take("", true)
	take("c", false) // all of them
	q.Give("a")
	take("a", true)
	q.Give("a")
	q.Give("a")
	q.Give("b")
	q.Give("")
	q.Give("")
	if q.has != 0 || len(q.by) != 0 {
		t.Errorf("left over: %d, %v", q.has, q.by)
	}
	free := New(100, 0)
	for range 100 {
		if !free.Take("a") {
			t.Fatal("0 is no limit for one client")
		}
	}
}

func TestClient(t *testing.T) {
	for remote, want := range map[string]string{
		"203.0.113.7:1234":              "203.0.113.7/32",
		"[::ffff:203.0.113.7]:1234":     "203.0.113.7/32",
		"[2001:db8:1:2:3:4:5:6]:9":      "2001:db8:1:2::/64",
		"[2001:db8:1:2:ffff::1%eth0]:9": "2001:db8:1:2::/64",
		"127.0.0.1:1":                   "",
		"[::1]:1":                       "",
		"pipe":                          "",
		"":                              "",
	} {
		if got := Client(remote); got != want {
			t.Errorf("%s: %q, want %q", remote, got, want)
		}
	}
}

func FuzzClient(f *testing.F) {
	f.Add("203.0.113.7:1234")
	f.Add("[2001:db8::1%x]:1")
	f.Fuzz(func(t *testing.T, s string) {
		if key := Client(s); len(key) > 64 {
			t.Errorf("%q is long", key)
		}
	})
}

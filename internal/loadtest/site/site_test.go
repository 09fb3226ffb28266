package site

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestReadConfig(t *testing.T) {
	for _, tc := range []struct{ name, script, want string }{
		{"json", `var config = {"a": {"b": [1, "x", true, null]}};`, `{"a":{"b":[1,"x",true,null]}}`},
		{"literals", "var config = {\n // comment: 1\n a: 'x', /* b: 2, */ 'c-d': -3.5, e: 0x10, f: `t`, };", `{"a":"x","c-d":-3.5,"e":16,"f":"t"}`},
		{"variables", `var sub = ''; var dir = "t/"; var config = { ws: 'wss://h/' + dir + 'x' + sub, n: 'p' + 1 };`, `{"n":"p1","ws":"wss://h/t/x"}`},
		{"members", "var config = {};\nconfig.hosts = { domain: 'd' };\nconfig.hosts.muc = 'muc.' + config.hosts.domain;\nconfig['x'] = 1\nconfig.y = 2", `{"hosts":{"domain":"d","muc":"muc.d"},"x":1,"y":2}`},
		{"taken conditions", "var s = 'x'; var e = '';\nvar config = {};\nif (s) { config.a = 1; }\nif (e) { config.b = 1; }\nif (!e) { config.c = 1; }\nif (s.length > f(1)) { config.d = 1; }", `{"a":1,"c":1}`},
		{"calls", "var config = { a: f(1, {b: 2}), c: 3, d: x ? 1 : 2, e: [1, g(), 2], f: function() { return {g: 1}; }, h: 4 };", `{"c":3,"e":[1,2],"h":4}`},
		{"a variable that is computed", "var s = 'A.b'; s = s.split('.').join('_'); var config = { a: 'x' + s, b: s };", `{}`},
		{"includes", `var sub = '<!--# echo var="subdomain" default="" -->'; var config = { muc: 'conference.' + sub + 'd' };`, `{"muc":"conference.d"}`},
		{"escapes", `var config = { a: 'it\'s \u0041\x42\n', "b": "\/" };`, `{"a":"it's AB\n","b":"/"}`},
		{"window", `window.config = {a: 1};`, `{"a":1}`},
		{"no semicolons", "let config = {a: 1}\nlet other = {b: 2}", `{"a":1}`},
		{"a value in two places", `var o = {a: 1}; var config = {b: o, c: o.a}; config.d = config;`, `{"c":1}`},
		{"does not end", `var config = { a: { b: 'x`, `{"a":{"b":"x"}}`},
		{"comparison", "var config = {a: 1}; config == 2; config.b === 3;", `{"a":1}`},
	} {
		got, err := ReadConfig(tc.script)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if b, _ := json.Marshal(got); string(b) != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, b, tc.want)
		}
	}
	for _, bad := range []string{"", "<html>not a script</html>", "var other = {};", "config", strings.Repeat("a", MaxConfig+1)} {
		if c, err := ReadConfig(bad); err == nil {
			t.Errorf("%.20q gave %v", bad, c)
		}
	}
}

func TestFromConfig(t *testing.T) {
	base, _ := url.Parse("https://meet.example/tenant")
	c, err := ReadConfig(`
var subdir = 'tenant/';
var config = {
  hosts: { domain: 'meet.jitsi', anonymousdomain: 'guest.meet.jitsi', muc: 'Muc.meet.jitsi' },
  bosh: '//meet.example/' + subdir + 'http-bind',
  websocket: 'wss://meet.example/' + subdir + 'xmpp-websocket',
  conferenceRequestUrl: '/' + subdir + 'conference-request/v1',
  websocketKeepAlive: 5000,
  bridgeChannel: { preferSctp: false },
  flags: { ssrcRewritingEnabled: false },
  channelLastN: 20,
};
`)
	if err != nil {
		t.Fatal(err)
	}
	s, err := FromConfig(base, c)
	if err != nil {
		t.Fatal(err)
	}
	for what, pair := range map[string][2]any{
		"domain":    {s.Domain, "meet.jitsi"},
		"anonymous": {s.Anonymous, "guest.meet.jitsi"},
		"muc":       {s.MUC, "muc.meet.jitsi"},
		"focus":     {s.Focus, "focus.meet.jitsi"},
		"websocket": {s.WebSocket, "wss://meet.example/tenant/xmpp-websocket"},
		"request":   {s.Request, "https://meet.example/tenant/conference-request/v1"},
		"keepalive": {s.KeepAlive, "https://meet.example/tenant/xmpp-websocket"},
		"every":     {s.Every, 5 * time.Second},
		"sctp":      {s.PreferSCTP, false},
		"rewriting": {s.Rewriting, false},
		"last n":    {s.LastN, 20},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: %v, want %v", what, pair[0], pair[1])
		}
	}
	if _, err := FromConfig(base, Object{"bosh": "/http-bind"}); err != ErrBOSH {
		t.Error(err)
	}
	if s, err := FromConfig(base, Object{}); err != nil || s.WebSocket != "wss://meet.example/tenant/xmpp-websocket" || s.MUC != "conference.meet.example" {
		t.Error(s, err)
	}
}

func FuzzReadConfig(f *testing.F) {
	f.Add("var config = { a: 'x' + y, b: [1, {c: 2}], /* */ };\nif (z) { config.d = `${q}`; }")
	f.Add("config.a['b'].c = function() { return '\\u0041' }")
	f.Fuzz(func(t *testing.T, script string) {
		c, err := ReadConfig(script)
		if err != nil {
			return
		}
		base, _ := url.Parse("https://h/")
		_, _ = FromConfig(base, c)
		if _, err := json.Marshal(c); err != nil && !strings.Contains(err.Error(), "unsupported value") {
			t.Fatal(err)
		}
	})
}

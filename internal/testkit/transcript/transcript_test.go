package transcript

import (
	"strings"
	"testing"
)

func TestCompare(t *testing.T) {
	r := &run{vars: vars{"a": "1"}}
	p := &peer{jid: "me"}
	for _, c := range []struct {
		want, got string
		ok        bool
	}{
		{`<a b="1" c="2"/>`, `<a c='2' b='1'></a>`, true},
		{`<a/>`, `<a xmlns="jabber:client" to="me"/>`, true},
		{`<a/>`, `<a to="you"/>`, false},
		{`<a/>`, `<a xmlns="other"/>`, false},
		{`<a><b/></a>`, `<a><b xmlns="u"/></a>`, false},
		{`<a><b xmlns="u"/></a>`, `<a><b/></a>`, false},
		{`<a> <b/> </a>`, `<a><b/></a>`, true},
		{`<a><b/><c/></a>`, `<a><c/><b/></a>`, false},
		{`<a><etc/><c/></a>`, `<a><b/><b/><c/></a>`, true},
		{`<a><etc/><c/></a>`, `<a><b/></a>`, false},
		{`<a><etc/></a>`, `<a/>`, true},
		{`<a><b/></a>`, `<a><b/><c/></a>`, false},
		{`<a b="{a}"/>`, `<a b="1"/>`, true},
		{`<a b="{a}"/>`, `<a b="2"/>`, false},
		{`<a b="x{*}z"/>`, `<a b="xyz"/>`, true},
		{`<a>{"j":{*}}</a>`, `<a>{"j":[1]}</a>`, true},
		{`<a>x</a>`, `<a>y</a>`, false},
		{`<a>x</a>`, `<a/>`, false},
		{`<s:a/>`, `<a/>`, false},
	} {
		if err := r.compare(p, c.want, c.got); (err == nil) != c.ok {
			t.Errorf("%s and %s: %v", c.want, c.got, err)
		}
	}
	if err := r.compare(p, `<a b="{?new}"/>`, `<a b="7"/>`); err != nil || r.vars["new"] != "7" {
		t.Error(err, r.vars)
	}
}

func TestExpand(t *testing.T) {
	v := vars{"A.id": "0a"}
	got, err := v.expand(`{A.id}{repeat 2 <x>}{hex 41 42}{"json":{}}`)
	if err != nil || got != `0a<x><x>AB{"json":{}}` {
		t.Error(got, err)
	}
	if _, err := v.expand("{unknown}"); err == nil {
		t.Error("an unknown name was expanded")
	}
}

func TestParse(t *testing.T) {
	s, err := Parse("x", "# c\noption a b\n\nA connect\nA> <a>\n   <b/>\n\t</a>\nA<= x\nwait 1ms\n")
	if err != nil || len(s.steps) != 4 || s.steps[1].text != "<a><b/></a>" || s.Options["a"] != "b" {
		t.Errorf("%+v %v", s, err)
	}
	for _, bad := range []string{"A dances", " x", "A"} {
		if _, err := Parse("x", bad); err == nil || !strings.HasPrefix(err.Error(), "x:1:") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

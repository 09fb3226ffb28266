package xmpp

import (
	"testing"
	"unicode/utf8"
)

func TestWriter(t *testing.T) {
	var w Writer
	w.Open("a", "xmlns", "u", "b", "<\"'&>\t\n")
	w.Text("<\"'&>\r\n\t\x00\xff")
	w.Empty("c", "d", "")
	w.Elem("e", "f")
	w.Raw([]byte("<g/>"))
	w.Close("a")
	want := `<a xmlns="u" b="&lt;&quot;&apos;&amp;&gt;&#9;&#10;">&lt;"'&amp;&gt;&#13;` + "\n\t\ufffd\ufffd" + `<c d=""/><e>f</e><g/></a>`
	if got := string(w.Bytes()); got != want || w.Len() != len(want) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if w.Reset(); w.Len() != 0 {
		t.Error("not empty after Reset")
	}
}

// FuzzEscape checks that whatever is written is read back as the same.
func FuzzEscape(f *testing.F) {
	f.Add("a<b>&\"'\r\n\t\x00\u00ef\uffff]]>")
	f.Fuzz(func(t *testing.T, s string) {
		var w Writer
		w.Open("a", "b", s)
		w.Text(s)
		w.Close("a")
		el, err := ParseElement(w.Bytes())
		if err != nil {
			t.Fatalf("%q: %v", w.Bytes(), err)
		}
		want := make([]rune, 0, len(s))
		for i, r := range s {
			if _, n := utf8.DecodeRuneInString(s[i:]); !isChar(r) || r == utf8.RuneError && n == 1 {
				r = utf8.RuneError
			}
			want = append(want, r)
		}
		if b, _ := el.Attr("b"); b != string(want) || el.Text() != string(want) {
			t.Fatalf("%q became %q and %q", s, b, el.Text())
		}
	})
}

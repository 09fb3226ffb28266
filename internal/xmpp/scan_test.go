package xmpp

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/plenum-conf/plenum/internal/testkit/allocs"
)

// joinPresence is what a browser sends when it joins: the common frame.
const joinPresence = `<presence to="daily@conference.meet.example/0a1b2c3d" xmlns="jabber:client">` +
	`<x xmlns="http://jabber.org/protocol/muc"/><stats-id>Zoe-kX3</stats-id>` +
	`<c xmlns="http://jabber.org/protocol/caps" hash="sha-1" node="https://jitsi.org/jitsi-meet" ver="bYGTAaKzZNPWV6PvkS9sUQqC3cc="/>` +
	`<features><feature var="https://jitsi.org/meet/e2ee"/></features>` +
	`<SourceInfo>{&quot;0a1b2c3d-a0&quot;:{&quot;muted&quot;:true},&quot;0a1b2c3d-v0&quot;:{&quot;muted&quot;:true}}</SourceInfo>` +
	`<jitsi_participant_region>eu-central-1</jitsi_participant_region>` +
	`<jitsi_participant_codecList>av1,vp9,vp8,h264</jitsi_participant_codecList>` +
	`<jitsi_participant_e2ee.idKey.curve25519>YkQ7k3sYyqzq1bJq2t9Z0J1YlqA8zqvVh2b9wWc2Q1E</jitsi_participant_e2ee.idKey.curve25519>` +
	`<jitsi_participant_e2ee.idKey.ed25519>8mM3P1qXU0wG1rVZc4jVv6wJ9u0E6Wc0pJ2k8d5h3nA</jitsi_participant_e2ee.idKey.ed25519>` +
	`<identity><user><id>abcd:a1b2c3d4-a1b2-c3d4-a1b2-c3d4a1b2c3d4</id><name>Ärgerlich Müller</name>` +
	`<avatar>https://example.org/avatars/abcdefabcdefabcdefabcdefabcdef.png</avatar><email>a@example.org</email></user><group>g</group></identity>` +
	`<nick xmlns="http://jabber.org/protocol/nick">Ärgerlich Müller</nick></presence>`

func TestScanAccepts(t *testing.T) {
	for _, s := range []string{
		joinPresence, `<a/>`, ` <a></a> `, `<a b='"'/>`, `<a b="'" c = 'x'></a >`,
		`<a>&lt;&#65;&#x1F600;]]</a>`, `<a><![CDATA[<&]]]]></a>`, `<a><![CDATA[]]></a>`,
		`<p:a xmlns:p="u"><p:b p:c="d"/></p:a>`, `<a xml:lang="en"/>`, `<é_ü.-1/>`,
		"<a\n\tb='c\n'\r/>", `<a xmlns=""><b/></a>`, `<a>` + "\u00ef\ufffd" + `</a>`,
	} {
		if _, err := Scan([]byte(s)); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
}

func TestScanRefuses(t *testing.T) {
	many := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, " a%d=''", i)
		}
		return b.String()
	}
	for s, want := range map[string]*StreamError{
		``: ErrNotWellFormed, `x`: ErrNotWellFormed, `<`: ErrNotWellFormed, `<a`: ErrNotWellFormed,
		`<a>`: ErrNotWellFormed, `<a></b>`: ErrNotWellFormed, `<a></a`: ErrNotWellFormed,
		`<a/><b/>`: ErrNotWellFormed, `<a/>x`: ErrNotWellFormed, `x<a/>`: ErrNotWellFormed,
		`</a>`: ErrNotWellFormed, `<a b/>`: ErrNotWellFormed, `<a b=c/>`: ErrNotWellFormed,
		`<a b="<"/>`: ErrNotWellFormed, `<a b="&x;"/>`: ErrNotWellFormed, `<a>&x;</a>`: ErrNotWellFormed,
		`<a>&</a>`: ErrNotWellFormed, `<a>&#0;</a>`: ErrNotWellFormed, `<a>&#xD800;</a>`: ErrNotWellFormed,
		`<a>&#-1;</a>`: ErrNotWellFormed, `<a>&#x+41;</a>`: ErrNotWellFormed, `<a>&amp</a>`: ErrNotWellFormed,
		`<a>]]></a>`: ErrNotWellFormed, "<a>\x00</a>": ErrNotWellFormed, "<a>\uffff</a>": ErrNotWellFormed,
		"<a><![CDATA[\x01]]></a>": ErrNotWellFormed, `<a><![CDATA[</a>`: ErrNotWellFormed,
		`<a b="1" b="2"/>`: ErrNotWellFormed, `<a b="1"c="2"/>`: ErrNotWellFormed, `<1/>`: ErrNotWellFormed,
		`<a:b:c/>`: ErrNotWellFormed, `<:a/>`: ErrNotWellFormed, `<a:/>`: ErrNotWellFormed,
		`< a/>`: ErrNotWellFormed, `<a / >`: ErrNotWellFormed,
		`<a><!-- c --></a>`: ErrRestrictedXML, `<!-- c --><a/>`: ErrRestrictedXML, `<a><?pi?></a>`: ErrRestrictedXML,
		`<?xml version="1.0"?><a/>`: ErrRestrictedXML, `<!DOCTYPE a><a/>`: ErrRestrictedXML,
		`<p:a/>`: ErrBadPrefix, `<a p:b=""/>`: ErrBadPrefix, `<a xmlns:p=""/>`: ErrBadPrefix,
		`<a xmlns:xml="u"/>`: ErrBadPrefix, `<a xmlns:xmlns="u"/>`: ErrBadPrefix,
		`<a><b xmlns:p="u"/><p:c/></a>`: ErrBadPrefix, `<a><b xmlns:p="u"></b><p:c/></a>`: ErrBadPrefix,
		`<a xmlns:p="u" xmlns:q="u" p:x="" q:x=""/>`: ErrNotWellFormed,
		"<a>\xff</a>":                             ErrNotUTF8,
		strings.Repeat("<a>", MaxDepth+1):         ErrTooDeep,
		`<a` + many(MaxAttrs+1) + `/>`:            ErrTooManyAttrs,
		`<a` + many(MaxAttrs) + ` b="1" c="2" />`: ErrTooManyAttrs,
	} {
		if _, err := Scan([]byte(s)); err != want {
			t.Errorf("%.60q: got %v, want %v", s, err, want)
		}
	}
}

func TestScanLimitsAreInclusive(t *testing.T) {
	deep := strings.Repeat("<a>", MaxDepth-1) + "<a/>" + strings.Repeat("</a>", MaxDepth-1)
	if _, err := Scan([]byte(deep)); err != nil {
		t.Error(err)
	}
	var b strings.Builder
	b.WriteString("<a")
	for i := range MaxPrefixes {
		fmt.Fprintf(&b, ` xmlns:p%d="u%d"`, i, i)
	}
	b.WriteString("/>")
	if _, err := Scan([]byte(b.String())); err != nil {
		t.Error(err)
	}
}

func TestStanza(t *testing.T) {
	st, err := Scan([]byte(`<iq to='r@c/n' id="a&amp;b" from='x' type="set" xmlns="jabber:client"><x xmlns='u'><y>p&lt;<z/>q</y></x><p:n xmlns:p="v">A</p:n></iq>`))
	if err != nil {
		t.Fatal(err)
	}
	if st.Kind != IQ || st.To != "r@c/n" || st.ID != "a&b" || st.From != "x" || st.Type != "set" || !st.IsRequest() {
		t.Errorf("%+v", st)
	}
	x, _ := st.First()
	y, _ := x.Child("y", "u")
	if x.NS != "u" || y.Text() != "p<q" || x.ChildText("y", "") != "p<q" {
		t.Errorf("%+v %q", x, y.Text())
	}
	if n, ok := st.Child("n", "v"); !ok || n.Text() != "A" {
		t.Errorf("%+v", n)
	}
	if _, ok := st.Child("n", "u"); ok {
		t.Error("child of another namespace found")
	}
	if _, ok := (Element{}).Child("a", ""); ok || (Element{}).Text() != "" {
		t.Error("the zero element is not empty")
	}
}

func TestKind(t *testing.T) {
	for s, want := range map[string]StanzaKind{
		`<presence/>`: Presence, `<message xmlns="jabber:client"/>`: Message, `<iq/>`: IQ,
		`<p:iq xmlns:p="jabber:client"/>`: IQ, `<iq xmlns="other"/>`: Other, `<p:iq xmlns:p="other"/>`: Other,
		`<open/>`: Other, `<iq xmlns=""/>`: Other, `<p:iq xmlns:p="jabber:client"></p:iq>`: IQ,
	} {
		st, err := Scan([]byte(s))
		if err != nil || st.Kind != want {
			t.Errorf("%s: %v %v", s, st.Kind, err)
		}
	}
}

func TestReaddress(t *testing.T) {
	for in, want := range map[string]string{
		`<presence from='liar' to='x'/>`:                         `<presence xmlns="jabber:client" from="a&amp;b" to="c"/>`,
		`<message id='1' xmlns='jabber:client'>t</message >`:     `<message id='1' xmlns='jabber:client' from="a&amp;b" to="c">t</message>`,
		`<p:iq xmlns:p="jabber:client" type='get'><p:q/></p:iq>`: `<p:iq xmlns:p="jabber:client" type='get' xmlns="jabber:client" from="a&amp;b" to="c"><p:q/></p:iq>`,
	} {
		st, err := Scan([]byte(in))
		if err != nil {
			t.Fatal(err)
		}
		if got := string(st.Readdress("a&b", "c")); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if got := string(st.Share("a&b").AppendTo(nil, "c")); got != want {
			t.Errorf("shared: got %s", got)
		}
		if _, err := Scan(st.Readdress("a&b", "c")); err != nil {
			t.Error(err)
		}
	}
}

func TestReplies(t *testing.T) {
	st, _ := Scan([]byte(`<iq type="get" id="1&lt;" from="a@b/c" to="d"><x/></iq>`))
	e := &StanzaError{Type: "cancel", Condition: "not-allowed", Text: "no & never", Extra: []byte(`<x xmlns="u"/>`)}
	want := `<iq xmlns="jabber:client" type="error" id="1&lt;" from="d" to="a@b/c"><error type="cancel">` +
		`<not-allowed xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/><text xmlns="urn:ietf:params:xml:ns:xmpp-stanzas">no &amp; never</text><x xmlns="u"/></error></iq>`
	if got := string(st.ErrorReply(JID{}, e)); got != want {
		t.Error(got)
	}
	for _, sh := range []*Shared{st.Refuse("d", e), st.Reply("result", "d", nil)} {
		if _, err := Scan(sh.AppendTo(nil, "x@y")); err != nil {
			t.Error(err)
		}
	}
	if got := string(st.ResultReply("d", "a@b/c", nil)); got != `<iq xmlns="jabber:client" type="result" id="1&lt;" from="d" to="a@b/c"></iq>` {
		t.Error(got)
	}
}

// checkTwin compares Scan with its twin on one input.
func checkTwin(t *testing.T, frame []byte) {
	t.Helper()
	st, err := Scan(frame)
	n, twinErr := twinParse(frame)
	switch {
	case err == nil && twinErr == nil:
		if err := sameTree(st.Element(), n); err != nil {
			t.Fatalf("%q: %v", frame, err)
		}
		again, err := Scan(st.Readdress(`"a" & b`, "c"))
		if err != nil || again.From != `"a" & b` || again.To != "c" || !bytes.Equal(again.Inner, st.Inner) {
			t.Fatalf("%q: readdressed: %v %+v", frame, err, again)
		}
	case err == nil && !knowsNames(frame):
	case err == nil:
		t.Fatalf("%q: accepted, the twin says %v", frame, twinErr)
	case twinErr == nil && !knownDifference(frame, err):
		t.Fatalf("%q: %v, the twin accepts it", frame, err)
	}
}

// knowsNames says whether encoding/xml, which knows an older edition of XML,
// judges names like we do.
func knowsNames(frame []byte) bool {
	return !bytes.ContainsFunc(frame, func(r rune) bool { return r > 127 })
}

var lenient = regexp.MustCompile(`["'][^\s"'/>]|&#x?0|&#x?[dD5]`)

// knownDifference names what encoding/xml lets pass: attributes without white
// space between them, references to surrogates or with many leading zeros,
// newer names, and more prefixes than we care for.
func knownDifference(frame []byte, err error) bool {
	return !knowsNames(frame) || err == ErrTooManyAttrs || lenient.Match(frame)
}

func TestScanTwin(t *testing.T) {
	for seed := range uint64(5000) {
		g := &generator{r: rand.New(rand.NewPCG(seed, 7))}
		g.element(0)
		frame := g.b.Bytes()
		if _, err := Scan(frame); err != nil {
			t.Fatalf("%q: %v", frame, err)
		}
		checkTwin(t, frame)
		checkTwin(t, g.mutate(frame))
	}
}

// generator writes random documents with everything that is allowed in them.
type generator struct {
	r *rand.Rand
	b bytes.Buffer
}

func (g *generator) pick(list ...string) string { return list[g.r.IntN(len(list))] }

func (g *generator) element(depth int) {
	name := g.pick("a", "iq", "message", "x-y_z.1", "p:b", "q:c")
	g.b.WriteString("<" + name + ` xmlns:p="u1"` + g.pick("", " ", "\n") + ` xmlns:q='u2'`)
	for _, attr := range []string{"id", "to", "xmlns", "p:id", "q:id", "xml:lang"} {
		if g.r.IntN(3) == 0 {
			g.b.WriteString(g.pick(" ", "\t", "\r\n") + attr + g.pick("=", " = ") +
				g.pick(`""`, `"a'b"`, `'a"b'`, `"&lt;&#65;&#x10FFFF;"`, "'é\t\n '", `"u"`))
		}
	}
	if g.r.IntN(4) == 0 {
		g.b.WriteString(g.pick("/>", " />"))
		return
	}
	g.b.WriteString(g.pick(">", " >"))
	for g.r.IntN(3) != 0 {
		if depth < 6 && g.r.IntN(2) == 0 {
			g.element(depth + 1)
		} else {
			g.b.WriteString(g.pick("text", " ", "&amp;", "<![CDATA[<a>&]]>", "]] ", "ü\U0001F600", "\r\n", ">", "<![CDATA[]]>", "\ufeff", "&#13;"))
		}
	}
	g.b.WriteString("</" + name + g.pick(">", " >"))
}

// mutate breaks a document in one place.
func (g *generator) mutate(frame []byte) []byte {
	b := bytes.Clone(frame)
	i := g.r.IntN(len(b))
	switch g.r.IntN(3) {
	case 0:
		b[i] = `<>/&"'=: x];!?`[g.r.IntN(14)]
	case 1:
		return append(b[:i], b[i+1:]...)
	case 2:
		j := g.r.IntN(len(b))
		b[i], b[j] = b[j], b[i]
	}
	return b
}

func FuzzScan(f *testing.F) {
	f.Add([]byte(joinPresence))
	f.Add([]byte(`<p:a xmlns:p="u" p:b='&#65;'><![CDATA[x]]><b xmlns=""/>]]&gt;</p:a>`))
	f.Add([]byte("<![CDATA[]]><A/>"))
	f.Fuzz(func(t *testing.T, frame []byte) { checkTwin(t, frame) })
}

func TestScanAllocatesNothing(t *testing.T) {
	frame := []byte(joinPresence)
	allocs.None(t, allocs.Many, func() {
		st, err := Scan(frame)
		if err != nil || st.Kind != Presence {
			t.Fatal(err)
		}
	})
	st, _ := Scan(frame)
	allocs.None(t, allocs.Many, func() {
		if _, ok := st.Child("nick", NSNick); !ok {
			t.Fatal("no nick")
		}
	})
}

func BenchmarkScan(b *testing.B) {
	frame := []byte(joinPresence)
	b.SetBytes(int64(len(frame)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Scan(frame); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkShare(b *testing.B) {
	st, _ := Scan([]byte(joinPresence))
	b.ReportAllocs()
	for b.Loop() {
		_ = st.Share("daily@conference.meet.example/0a1b2c3d")
	}
}

func BenchmarkTwin(b *testing.B) {
	frame := []byte(joinPresence)
	b.SetBytes(int64(len(frame)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := twinParse(frame); err != nil {
			b.Fatal(err)
		}
	}
}

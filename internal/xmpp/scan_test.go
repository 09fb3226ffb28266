package xmpp

import "testing"

func TestScanSmoke(t *testing.T) {
	st, err := Scan([]byte(`<presence to='r@c/n' id="a&amp;b"><x xmlns='http://jabber.org/protocol/muc'><password>p&lt;</password></x><nick xmlns="n">A<b/>é</nick></presence>`))
	if err != nil {
		t.Fatal(err)
	}
	if st.Kind != Presence || st.To != "r@c/n" || st.ID != "a&b" {
		t.Fatalf("%+v", st)
	}
	x, ok := st.Child("x", NSMUC)
	if !ok || x.ChildText("password", "") != "p<" {
		t.Fatalf("%+v", x)
	}
	n, _ := st.Child("nick", "")
	if n.Text() != "Aé" || n.NS != "n" {
		t.Fatalf("%+v", n)
	}
	if got := string(st.Readdress("a@b/c", "d@e")); got != `<presence id="a&amp;b" xmlns="jabber:client" from="a@b/c" to="d@e"><x xmlns='http://jabber.org/protocol/muc'><password>p&lt;</password></x><nick xmlns="n">A<b/>é</nick></presence>` {
		t.Fatal(got)
	}
}

package xmpp

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// MaxJIDPart is the longest a part of a JID may be, in bytes (RFC 7622 §3.1).
const MaxJIDPart = 1023

// ErrJID says that a text is no valid XMPP address (RFC 7622). On the wire it
// is the stanza error jid-malformed.
var ErrJID = errors.New("xmpp: malformed JID")

// JID is an XMPP address in its normal form, so that two JIDs are the same
// address exactly when they are equal. Local and Resource may be empty. Use
// ParseJID for anything that came from outside.
type JID struct{ Local, Domain, Resource string }

// ParseJID reads an address and brings it into normal form: local part and
// domain lower-cased and NFKC normalised, the resource NFC normalised. Parts
// are 1 to MaxJIDPart bytes. It returns ErrJID for anything else.
func ParseJID(s string) (JID, error) {
	var j JID
	rest, resource, hasResource := strings.Cut(s, "/")
	local, domain, hasLocal := strings.Cut(rest, "@")
	if !hasLocal {
		local, domain = "", rest
	}
	if hasLocal && local == "" || hasResource && resource == "" {
		return JID{}, ErrJID
	}
	var ok1, ok2, ok3 bool
	j.Local, ok1 = prepLocal(local)
	j.Domain, ok2 = prepDomain(domain)
	j.Resource, ok3 = prepResource(resource)
	if !ok1 || !ok2 || !ok3 {
		return JID{}, ErrJID
	}
	return j, nil
}

// Bare returns the address without its resource.
func (j JID) Bare() JID { return JID{Local: j.Local, Domain: j.Domain} }

// WithResource returns the address with another resource, which must already
// be in normal form.
func (j JID) WithResource(r string) JID { return JID{j.Local, j.Domain, r} }

// IsZero reports whether the address is absent.
func (j JID) IsZero() bool { return j == JID{} }

// IsBare reports whether the address has no resource.
func (j JID) IsBare() bool { return j.Resource == "" }

// String writes local@domain/resource, not escaped for XML.
func (j JID) String() string {
	switch {
	case j.Local == "" && j.Resource == "":
		return j.Domain
	case j.Resource == "":
		return j.Local + "@" + j.Domain
	case j.Local == "":
		return j.Domain + "/" + j.Resource
	}
	return j.Local + "@" + j.Domain + "/" + j.Resource
}

func prepLocal(s string) (string, bool) {
	if s == "" {
		return "", true
	}
	s, ok := fold(s)
	if !ok || strings.ContainsAny(s, "\"&'/:<>@ ") {
		return "", false
	}
	return s, len(s) > 0 && len(s) <= MaxJIDPart
}

func prepDomain(s string) (string, bool) {
	s, ok := fold(strings.TrimSuffix(s, "."))
	if !ok || s == "" || len(s) > MaxJIDPart {
		return "", false
	}
	return s, !strings.HasSuffix(s, ".") && strings.IndexFunc(s, badInDomain) < 0
}

// badInDomain allows host names, internationalised ones in either form, and
// IP literals (RFC 7622 §3.2).
func badInDomain(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-', r == '.', r == '_':
		return false
	case r == '[', r == ']', r == ':':
		return false
	}
	return r < utf8.RuneSelf
}

func prepResource(s string) (string, bool) {
	if len(s) > MaxJIDPart || !utf8.ValidString(s) {
		return "", false
	}
	if !isASCII(s) {
		s = norm.NFC.String(s)
	}
	return s, len(s) <= MaxJIDPart && strings.IndexFunc(s, unicode.IsControl) < 0
}

// fold brings a local part or domain into its compared form. The common case,
// lower-case ASCII, allocates nothing.
func fold(s string) (string, bool) {
	if len(s) > MaxJIDPart || !utf8.ValidString(s) {
		return "", false
	}
	if !isASCII(s) {
		// Lower-casing can denormalise, and normalising can bring capitals.
		s = norm.NFKC.String(strings.ToLower(norm.NFKC.String(s)))
		s = norm.NFKC.String(strings.ToLower(s))
	} else {
		s = strings.ToLower(s)
	}
	return s, strings.IndexFunc(s, badRune) < 0
}

func badRune(r rune) bool {
	if r < utf8.RuneSelf {
		return r <= ' ' || r == 0x7f
	}
	return unicode.IsControl(r) || unicode.IsSpace(r) || r == utf8.RuneError ||
		unicode.In(r, unicode.Cf, unicode.Co, unicode.Cs)
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

package focus

import (
	"crypto/sha1" //nolint:gosec // XEP-0115 prescribes it; nothing secret depends on it
	"encoding/base64"
	"slices"
	"strings"

	"github.com/plenum-conf/plenum/internal/xmpp"
)

// features are those capabilities of a client that change what it is sent.
type features uint16

const (
	featAudio features = 1 << iota
	featVideo
	featSCTP
	featRTX
	featREMB
	featTCC
	featRED
	featJSON
	featRewriting
	featMIDDemux
)

// defaultFeatures are assumed of a client that does not answer.
const defaultFeatures = featAudio | featVideo | featSCTP

var featureNames = map[string]features{
	"urn:xmpp:jingle:apps:rtp:audio":         featAudio,
	"urn:xmpp:jingle:apps:rtp:video":         featVideo,
	"urn:xmpp:jingle:transports:dtls-sctp:1": featSCTP,
	"urn:ietf:rfc:4588":                      featRTX,
	"http://jitsi.org/remb":                  featREMB,
	"http://jitsi.org/tcc":                   featTCC,
	"http://jitsi.org/opus-red":              featRED,
	"http://jitsi.org/json-encoded-sources":  featJSON,
	"http://jitsi.org/ssrc-rewriting-1":      featRewriting,
	"http://jitsi.org/rtp-mid-demux":         featMIDDemux,
}

func (f features) has(x features) bool { return f&x != 0 }

// maxDiscoItems bounds the identities and features taken from one answer.
const maxDiscoItems = 256

// readFeatures reads a disco#info result (XEP-0030 §3.1). hash is what the
// client's caps should say if they told the truth (XEP-0115 §5.1); it is empty
// when the answer proves nothing: a "<" within a part would let one client
// forge the hash of another's, and of an answer that is too long not everything
// was read.
func readFeatures(query xmpp.Element) (f features, hash string) {
	var identities, names []string
	for el := range query.Children() {
		if len(identities)+len(names) == maxDiscoItems {
			return f, ""
		}
		switch el.Name {
		case "identity":
			identities = append(identities, el.AttrOr("category", "")+"/"+el.AttrOr("type", "")+
				"/"+el.AttrOr("xml:lang", "")+"/"+el.AttrOr("name", ""))
		case "feature":
			name := el.AttrOr("var", "")
			names = append(names, name)
			f |= featureNames[name]
		}
	}
	if strings.Contains(strings.Join(identities, "")+strings.Join(names, ""), "<") {
		return f, ""
	}
	return f, capsHash(identities, names)
}

func capsHash(identities, names []string) string {
	slices.Sort(identities)
	slices.Sort(names)
	var s strings.Builder
	for _, x := range slices.Concat(identities, names) {
		s.WriteString(x)
		s.WriteByte('<')
	}
	sum := sha1.Sum([]byte(s.String())) //nolint:gosec // see the import
	return base64.StdEncoding.EncodeToString(sum[:])
}

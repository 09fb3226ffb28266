package source

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/plenum-conf/plenum/internal/media"
)

// MaxJSON is the longest compact JSON text that [ParseJSON] looks at, in
// bytes. It is about what the sources of 2,000 participants need.
const MaxJSON = 1 << 20

// AppendJSON appends the compact form of list, the text of Jitsi's
// <json-message/>:
//
//	{"sources":{"<owner>":[[video…],[video groups…],[audio…],[audio groups…]]}}
//
// with {"s":ssrc,"n":name,"m":msid,"v":"d"} for a source ("v" only for
// desktop) and ["f",primary,rtx] or ["s",ssrc…] for a group. The fourth list
// is left out when it is empty. The text can stand within XML as it is.
func AppendJSON(dst []byte, list []Owned) []byte {
	dst = append(dst, `{"sources":{`...)
	for i, o := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = o.appendMember(dst)
	}
	return append(dst, '}', '}')
}

// appendMember appends one owner's part of the compact form.
func appendMember(dst []byte, o Owned) []byte {
	dst = appendString(dst, o.Owner)
	dst = append(dst, ':', '[')
	dst = appendSources(dst, o.Set, media.Video)
	dst = append(dst, ',')
	dst, _ = appendGroups(dst, o.Set, media.Video)
	dst = append(dst, ',')
	dst = appendSources(dst, o.Set, media.Audio)
	mark := len(dst)
	dst = append(dst, ',')
	var n int
	if dst, n = appendGroups(dst, o.Set, media.Audio); n == 0 {
		dst = dst[:mark]
	}
	return append(dst, ']')
}

func appendSources(dst []byte, s Set, kind media.Kind) []byte {
	dst = append(dst, '[')
	n := 0
	for _, x := range s.Sources {
		if x.Kind != kind {
			continue
		}
		if n++; n > 1 {
			dst = append(dst, ',')
		}
		dst = appendSource(dst, x)
	}
	return append(dst, ']')
}

func appendSource(dst []byte, x Source) []byte {
	dst = append(dst, `{"s":`...)
	dst = strconv.AppendUint(dst, uint64(x.SSRC), 10)
	if x.Name != "" {
		dst = append(dst, `,"n":`...)
		dst = appendString(dst, x.Name)
	}
	if x.MSID != "" {
		dst = append(dst, `,"m":`...)
		dst = appendString(dst, x.MSID)
	}
	if x.VideoType == Desktop {
		dst = append(dst, `,"v":"d"`...)
	}
	return append(dst, '}')
}

func appendGroups(dst []byte, s Set, kind media.Kind) ([]byte, int) {
	dst = append(dst, '[')
	n := 0
	for _, g := range s.Groups {
		if g.Kind != kind {
			continue
		}
		if n++; n > 1 {
			dst = append(dst, ',')
		}
		if g.Semantics == FID {
			dst = append(dst, `["f"`...)
		} else {
			dst = append(dst, `["s"`...)
		}
		for _, ssrc := range g.SSRCs {
			dst = append(dst, ',')
			dst = strconv.AppendUint(dst, uint64(ssrc), 10)
		}
		dst = append(dst, ']')
	}
	return append(dst, ']'), n
}

// appendString appends s as a JSON string (RFC 8259 §7), with escapes for
// whatever XML could not hold or would take for markup (XML 1.0 §2.2, §2.4).
func appendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r < 0x20 || r == '&' || r == '<' || r == '>' || r == 0xFFFE || r == 0xFFFF:
			dst = append(dst, '\\', 'u', hex[r>>12], hex[r>>8&15], hex[r>>4&15], hex[r&15])
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, '"')
}

// ErrTooMany says that a text has more sources or groups than the caller wants.
var ErrTooMany = errors.New("too many sources")

// ParseJSON reads what [AppendJSON] writes. It refuses texts of more than
// [MaxJSON] bytes unread, and more than max sources or max groups with
// [ErrTooMany]. The result is sorted by owner; rules about the sources
// themselves are [Ledger]'s business.
func ParseJSON(text []byte, max int) ([]Owned, error) {
	if len(text) > MaxJSON {
		return nil, ErrTooMany
	}
	var doc struct {
		Sources map[string][]json.RawMessage `json:"sources"`
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("compact sources: %w", err)
	}
	if len(doc.Sources) > max {
		return nil, ErrTooMany // an owner without sources is no source, but costs as much
	}
	left := budget{sources: max, groups: max}
	out := make([]Owned, 0, len(doc.Sources))
	for _, owner := range slices.Sorted(maps.Keys(doc.Sources)) {
		set, err := parseLists(doc.Sources[owner], &left)
		if err != nil {
			return nil, fmt.Errorf("compact sources of %.40q: %w", owner, err)
		}
		out = append(out, Owned{Owner: owner, Set: set})
	}
	return out, nil
}

type budget struct{ sources, groups int }

// parseLists reads [[video…],[video groups…],[audio…],[audio groups…]], any
// of which may be missing at the end.
func parseLists(lists []json.RawMessage, left *budget) (set Set, err error) {
	if len(lists) > 4 {
		return Set{}, errors.New("more than four lists")
	}
	for i, raw := range lists {
		kind := media.Video
		if i >= 2 {
			kind = media.Audio
		}
		if i%2 == 0 {
			set.Sources, err = parseSources(set.Sources, raw, kind, left)
		} else {
			set.Groups, err = parseGroups(set.Groups, raw, kind, left)
		}
		if err != nil {
			return Set{}, err
		}
	}
	return set, nil
}

func parseSources(dst []Source, raw json.RawMessage, kind media.Kind, left *budget) ([]Source, error) {
	var list []struct {
		SSRC uint32 `json:"s"`
		Name string `json:"n"`
		MSID string `json:"m"`
		Type string `json:"v"`
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, err
	}
	if left.sources -= len(list); left.sources < 0 {
		return nil, ErrTooMany
	}
	for _, x := range list {
		s := Source{SSRC: x.SSRC, Kind: kind, Name: x.Name, MSID: x.MSID}
		if x.Type == "d" {
			s.VideoType = Desktop
		}
		dst = append(dst, s)
	}
	return dst, nil
}

func parseGroups(dst []Group, raw json.RawMessage, kind media.Kind, left *budget) ([]Group, error) {
	var list [][]json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, err
	}
	if left.groups -= len(list); left.groups < 0 {
		return nil, ErrTooMany
	}
	for _, words := range list {
		g, err := parseGroup(words, kind)
		if err != nil {
			return nil, err
		}
		dst = append(dst, g)
	}
	return dst, nil
}

func parseGroup(words []json.RawMessage, kind media.Kind) (Group, error) {
	g := Group{Kind: kind}
	if len(words) == 0 {
		return g, errors.New("empty group")
	}
	switch string(words[0]) {
	case `"f"`:
		g.Semantics = FID
	case `"s"`:
		g.Semantics = SIM
	default:
		return g, fmt.Errorf("unknown group semantics %.20q", words[0])
	}
	for _, w := range words[1:] {
		ssrc, err := strconv.ParseUint(string(w), 10, 32)
		if err != nil {
			return g, fmt.Errorf("group: %w", err)
		}
		g.SSRCs = append(g.SSRCs, uint32(ssrc))
	}
	return g, nil
}

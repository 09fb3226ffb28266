package site

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

type tokenKind uint8

const (
	tokenEnd tokenKind = iota
	tokenName
	tokenString
	tokenNumber
	tokenMark // one character of punctuation
)

type token struct {
	kind  tokenKind
	text  string
	line  bool // stands first on its line
	value float64
}

// lexer cuts JavaScript into tokens, roughly: regular expressions are not
// known, and a template with a substitution is not a string.
type lexer struct {
	src string
	at  int
}

// next returns the next token.
func (l *lexer) next() token {
	line := l.space()
	if l.at >= len(l.src) {
		return token{kind: tokenEnd, line: true}
	}
	c := l.src[l.at]
	var t token
	switch {
	case c == '"' || c == '\'' || c == '`':
		t = l.text(c)
	case c >= '0' && c <= '9' || c == '.' && l.at+1 < len(l.src) && isDigit(l.src[l.at+1]):
		t = l.number()
	case isNamePart(c):
		t = token{kind: tokenName, text: l.name()}
	default:
		l.at++
		t = token{kind: tokenMark, text: l.src[l.at-1 : l.at]}
	}
	t.line = line
	return t
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isNamePart(c byte) bool {
	return c == '_' || c == '$' || isDigit(c) || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= utf8.RuneSelf
}

// space skips white space and comments; it reports whether a line ended.
func (l *lexer) space() (line bool) {
	for l.at < len(l.src) {
		rest := l.src[l.at:]
		switch c := rest[0]; {
		case c == '\n':
			line = true
			l.at++
		case c == ' ' || c == '\t' || c == '\r':
			l.at++
		case strings.HasPrefix(rest, "//"):
			l.skipTo("\n", 0)
		case strings.HasPrefix(rest, "/*"):
			l.skipTo("*/", 2)
		case strings.HasPrefix(rest, "<!--"): // as old as scripts in HTML
			l.skipTo("\n", 0)
		default:
			return line || l.at == 0
		}
	}
	return true
}

func (l *lexer) skipTo(end string, more int) {
	if i := strings.Index(l.src[l.at:], end); i >= 0 {
		l.at += i + more
		return
	}
	l.at = len(l.src)
}

func (l *lexer) name() string {
	begin := l.at
	for l.at < len(l.src) && isNamePart(l.src[l.at]) {
		l.at++
	}
	return l.src[begin:l.at]
}

func (l *lexer) number() token {
	begin := l.at
	for l.at < len(l.src) && (isNamePart(l.src[l.at]) || l.src[l.at] == '.') {
		l.at++
	}
	text := strings.ReplaceAll(l.src[begin:l.at], "_", "")
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		n, _ := strconv.ParseInt(text, 0, 64) // 0x1f
		v = float64(n)
	}
	return token{kind: tokenNumber, text: text, value: v}
}

var escapes = map[byte]string{'n': "\n", 't': "\t", 'r': "\r", 'b': "\b", 'f': "\f", 'v': "\v", '0': "\x00", '\n': ""}

// text reads a string literal. One that does not end is as long as its line.
func (l *lexer) text(quote byte) token {
	l.at++
	var b strings.Builder
	for l.at < len(l.src) {
		c := l.src[l.at]
		l.at++
		switch {
		case c == quote:
			return token{kind: tokenString, text: b.String()}
		case c == '\n' && quote != '`':
			return token{kind: tokenString, text: b.String()}
		case c == '$' && quote == '`' && strings.HasPrefix(l.src[l.at:], "{"):
			l.skipTo("`", 1)
			return token{kind: tokenMark, text: "`"}
		case c == '\\' && l.at < len(l.src):
			l.escape(&b)
		default:
			b.WriteByte(c)
		}
	}
	return token{kind: tokenString, text: b.String()}
}

func (l *lexer) escape(b *strings.Builder) {
	c := l.src[l.at]
	l.at++
	digits := map[byte]int{'x': 2, 'u': 4}[c]
	if digits > 0 && l.at+digits <= len(l.src) {
		if n, err := strconv.ParseUint(l.src[l.at:l.at+digits], 16, 32); err == nil {
			b.WriteRune(rune(n))
			l.at += digits
			return
		}
	}
	if s, ok := escapes[c]; ok {
		b.WriteString(s)
		return
	}
	b.WriteByte(c)
}

package site

import (
	"errors"
	"regexp"
	"strconv"
)

// Limits of a config.js.
const (
	MaxConfig = 1 << 20 // bytes
	MaxDepth  = 32      // levels of objects and lists
	MaxValues = 20_000  // members of all objects and lists

	maxText = 8 << 10 // bytes of a text that was put together
)

// Errors of ReadConfig.
var (
	ErrTooLong = errors.New("config.js is too long")
	ErrNone    = errors.New("config.js sets no variable named config")
)

// Object is an object literal. Its values are string, float64, bool, nil,
// []any and Object; what could not be read is absent.
type Object map[string]any

// unknown is a value that is not a literal.
type unknown struct{}

// reader reads the statements of a script.
type reader struct {
	lexer
	tok    token
	vars   Object
	values int
	fuel   int // tokens that may still be read: nothing loops for ever
}

// directives are what a web server should have replaced (server-side includes)
// and did not.
var directives = regexp.MustCompile(`<!--#[^>]*-->`)

// ReadConfig reads the variable config out of a script.
func ReadConfig(script string) (Object, error) {
	if len(script) > MaxConfig {
		return nil, ErrTooLong
	}
	r := &reader{lexer: lexer{src: directives.ReplaceAllString(script, "")}, vars: Object{}, fuel: 4 * MaxConfig}
	r.advance()
	for r.tok.kind != tokenEnd {
		r.statement()
	}
	if c, ok := r.vars["config"].(Object); ok {
		return c, nil
	}
	return nil, ErrNone
}

func (r *reader) advance() {
	if r.fuel--; r.fuel <= 0 {
		r.tok = token{kind: tokenEnd, line: true}
		return
	}
	r.tok = r.next()
}

func (r *reader) mark(text string) bool { return r.tok.kind == tokenMark && r.tok.text == text }

// statement reads one statement, or passes over one token of what it does not
// understand.
func (r *reader) statement() {
	if r.tok.kind != tokenName {
		r.advance()
		return
	}
	switch r.tok.text {
	case "var", "let", "const":
		r.advance()
		return // what follows is an assignment
	case "if":
		r.condition()
		return
	case "function":
		r.skipPast("{")
		r.skipBlock()
		return
	}
	r.assignment()
}

// condition reads if (...) {...}: the block counts when the condition is one
// variable, or its negation, and known to be true.
func (r *reader) condition() {
	r.advance()
	if !r.mark("(") {
		return
	}
	r.advance()
	negated := r.mark("!")
	if negated {
		r.advance()
	}
	v, depth := any(unknown{}), 0
	if r.tok.kind == tokenName {
		v, depth = r.reference()
	}
	simple := r.mark(")") && depth > 0
	for level := 1; level > 0 && r.tok.kind != tokenEnd; r.advance() {
		if r.mark("(") {
			level++
		} else if r.mark(")") {
			level--
		}
	}
	_, odd := v.(unknown)
	if simple && !odd && truthy(v) != negated || !r.mark("{") {
		return
	}
	r.advance()
	r.skipBlock()
}

func truthy(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case string:
		return v != ""
	case float64:
		return v != 0
	case bool:
		return v
	}
	return true
}

func (r *reader) skipPast(mark string) {
	for r.tok.kind != tokenEnd && !r.mark(mark) {
		r.advance()
	}
	r.advance()
}

// skipBlock passes over the rest of a block that has begun.
func (r *reader) skipBlock() {
	for level := 1; level > 0 && r.tok.kind != tokenEnd; r.advance() {
		if r.mark("{") {
			level++
		} else if r.mark("}") {
			level--
		}
	}
}

// path reads a.b['c'] and returns its names.
func (r *reader) path() []string {
	names := []string{r.tok.text}
	r.advance()
	for len(names) < MaxDepth {
		switch {
		case r.mark("."):
			r.advance()
			if r.tok.kind != tokenName {
				return nil
			}
			names = append(names, r.tok.text)
			r.advance()
		case r.mark("[") && !r.tok.line:
			r.advance()
			if r.tok.kind != tokenString {
				return nil
			}
			names = append(names, r.tok.text)
			r.advance()
			if !r.mark("]") {
				return nil
			}
			r.advance()
		default:
			return names
		}
	}
	return nil
}

// assignment reads a.b = value.
func (r *reader) assignment() {
	names := r.path()
	if names == nil || !r.mark("=") {
		return
	}
	r.advance()
	if r.mark("=") || r.mark(">") { // a comparison or a function
		return
	}
	v := r.expression(0)
	if len(names) > 0 && names[0] == "window" {
		names = names[1:]
	}
	r.store(names, v)
}

func (r *reader) store(names []string, v any) {
	if len(names) == 0 {
		return
	}
	o := r.vars
	for _, n := range names[:len(names)-1] {
		child, ok := o[n].(Object)
		if !ok {
			child = Object{}
			o[n] = child
		}
		o = child
	}
	last := names[len(names)-1]
	if _, odd := v.(unknown); odd {
		delete(o, last)
		return
	}
	if r.values++; r.values <= MaxValues {
		o[last] = v
	}
}

// reference reads a variable and returns its value, and how many names it had.
func (r *reader) reference() (any, int) {
	names := r.path()
	var v any = r.vars
	for _, n := range names {
		o, ok := v.(Object)
		if !ok {
			return unknown{}, len(names)
		}
		if v, ok = o[n]; !ok {
			return unknown{}, len(names)
		}
	}
	if names == nil {
		return unknown{}, 0
	}
	return v, len(names)
}

// expression reads literals joined by +, and || with a literal in front.
func (r *reader) expression(depth int) any {
	v := r.operand(depth)
	for {
		switch {
		case r.mark("+"):
			r.advance()
			v = r.add(v, r.operand(depth))
		case r.ends():
			return v
		default: // a call, a comparison, a choice: not for us
			r.skipExpression()
			return unknown{}
		}
	}
}

// ends reports whether an expression is over: at punctuation, or at a line
// that begins with something that cannot continue it.
func (r *reader) ends() bool {
	if r.tok.kind == tokenEnd {
		return true
	}
	if r.tok.kind != tokenMark {
		return r.tok.line
	}
	switch r.tok.text {
	case ",", ";", "}", "]", ")":
		return true
	}
	return false
}

// skipExpression passes over the rest of an expression, with whatever is
// nested in it.
func (r *reader) skipExpression() {
	for level := 0; r.tok.kind != tokenEnd; r.advance() {
		if r.tok.kind != tokenMark {
			continue
		}
		switch r.tok.text {
		case "(", "[", "{":
			level++
		case ")", "]", "}":
			if level == 0 {
				return
			}
			level--
		case ",", ";":
			if level == 0 {
				return
			}
		}
	}
}

func (r *reader) add(a, b any) any {
	s, ok := a.(string)
	t, also := b.(string)
	if n, isNumber := b.(float64); isNumber && ok {
		t, also = strconv.FormatFloat(n, 'f', -1, 64), true
	}
	if ok && also && len(s)+len(t) <= maxText {
		return s + t
	}
	x, ok := a.(float64)
	y, also := b.(float64)
	if ok && also {
		return x + y
	}
	return unknown{}
}

var constants = map[string]any{"true": true, "false": false, "null": nil, "undefined": unknown{}}

func (r *reader) operand(depth int) any {
	t := r.tok
	switch {
	case t.kind == tokenString:
		r.advance()
		return t.text
	case t.kind == tokenNumber:
		r.advance()
		return t.value
	case t.kind == tokenName:
		if v, ok := constants[t.text]; ok {
			r.advance()
			return v
		}
		v, _ := r.reference()
		switch v.(type) {
		case Object, []any:
			return unknown{} // one value in two places could grow without end
		}
		return v
	case depth >= MaxDepth:
	case r.mark("{"):
		return r.object(depth + 1)
	case r.mark("["):
		return r.list(depth + 1)
	case r.mark("-"):
		r.advance()
		if n, ok := r.operand(depth + 1).(float64); ok {
			return -n
		}
	}
	return unknown{}
}

func (r *reader) object(depth int) any {
	o := Object{}
	r.advance()
	for r.tok.kind != tokenEnd && !r.mark("}") {
		key := r.tok
		r.advance()
		if key.kind == tokenMark || !r.mark(":") {
			if !r.mark("}") && !r.mark(",") {
				r.skipExpression() // a method, a spread
			}
		} else {
			r.advance()
			v := r.expression(depth)
			if _, odd := v.(unknown); !odd {
				if r.values++; r.values <= MaxValues {
					o[key.text] = v
				}
			}
		}
		if r.mark(",") || r.mark(";") || r.mark(")") || r.mark("]") {
			r.advance()
		}
	}
	r.advance()
	return o
}

func (r *reader) list(depth int) any {
	l := []any{}
	r.advance()
	for r.tok.kind != tokenEnd && !r.mark("]") {
		v := r.expression(depth)
		if _, odd := v.(unknown); !odd {
			if r.values++; r.values <= MaxValues {
				l = append(l, v)
			}
		}
		if r.mark(",") || r.mark(";") || r.mark(")") || r.mark("}") {
			r.advance()
		}
	}
	r.advance()
	return l
}

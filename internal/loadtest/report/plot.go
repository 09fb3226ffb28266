package report

import (
	"cmp"
	"fmt"
	"html"
	"html/template"
	"math"
	"slices"
	"strings"
)

// Size of a plot in its own units, and of the margins for what is written
// beside it.
const (
	plotWidth, plotHeight = 760, 240
	plotLeft, plotRight   = 76, 124
	plotTop, plotBottom   = 14, 34
	maxPoints             = 300
)

// curve is one line of a plot.
type curve struct {
	Name   string
	values []float64
}

// plot is a plot over time.
type plot struct {
	ID, Title string
	About     string // what a reader sees in it
	seconds   []float64
	curves    []curve
	write     func(float64) string // a value on the axis
	whole     bool                 // values are whole numbers
}

// SVG draws the plot. Curves differ in colour, in dashes and by the name at
// their end, so that none of these alone is needed to tell them apart.
func (p *plot) SVG() template.HTML {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %d %d" role="img" aria-labelledby="%s-t %s-d"><title id="%s-t">%s</title><desc id="%s-d">%s</desc>`,
		plotWidth, plotHeight, p.ID, p.ID, p.ID, html.EscapeString(p.Title), p.ID, html.EscapeString(p.describe()))
	top := p.top()
	p.axes(&b, top)
	ends := make([]float64, len(p.curves))
	for i, c := range p.curves {
		fmt.Fprintf(&b, `<polyline class="curve c%d" points="%s"/>`, i, p.points(c.values, top))
		ends[i] = p.y(last(c.values), top)
	}
	for i, y := range apart(ends) {
		fmt.Fprintf(&b, `<text class="name n%d" x="%d" y="%.1f">%s</text>`, i, plotWidth-plotRight+8, y+4, html.EscapeString(p.curves[i].Name))
	}
	b.WriteString("</svg>")
	return template.HTML(b.String())
}

// describe says in words what the plot shows.
func (p *plot) describe() string {
	var parts []string
	for _, c := range p.curves {
		most := 0.0
		for _, v := range c.values {
			most = max(most, v)
		}
		parts = append(parts, fmt.Sprintf("%s: at most %s, at the end %s", c.Name, p.write(most), p.write(last(c.values))))
	}
	return strings.Join(parts, ". ") + "."
}

func last(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	return v[len(v)-1]
}

// top is the highest value of the axis: four steps of a round number.
func (p *plot) top() float64 {
	most := 0.0
	for _, c := range p.curves {
		for _, v := range c.values {
			most = max(most, v)
		}
	}
	return 4 * round(most/4, p.whole)
}

// round finds the next round number that is not less.
func round(v float64, whole bool) float64 {
	if !(v > 0) || math.IsInf(v, 0) {
		return 1
	}
	ten := math.Pow(10, math.Floor(math.Log10(v)))
	for _, f := range []float64{1, 2, 2.5, 5, 10} {
		if step := f * ten; step >= v*0.9999 && (!whole || step == math.Trunc(step)) {
			return step
		}
	}
	return max(10*ten, 1)
}

func (p *plot) x(s float64) float64 {
	return plotLeft + s/max(last(p.seconds), 1)*(plotWidth-plotLeft-plotRight)
}

func (p *plot) y(v, top float64) float64 {
	return plotHeight - plotBottom - min(max(v, 0)/top, 1)*(plotHeight-plotTop-plotBottom)
}

// axes draws the lines in the background with what they mean.
func (p *plot) axes(b *strings.Builder, top float64) {
	for i := range 5 {
		v := top * float64(i) / 4
		y := p.y(v, top)
		fmt.Fprintf(b, `<line class="grid" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/><text class="tick" x="%d" y="%.1f" text-anchor="end">%s</text>`,
			plotLeft, plotWidth-plotRight, y, y, plotLeft-8, y+4, html.EscapeString(p.write(v)))
	}
	end := last(p.seconds)
	step := max(round(end/6, true), 1)
	for s := 0.0; s <= end+0.5 && s/step < 50; s += step {
		fmt.Fprintf(b, `<text class="tick" x="%.1f" y="%d" text-anchor="middle">%.0f s</text>`, p.x(s), plotHeight-plotBottom+20, s)
	}
}

func (p *plot) points(values []float64, top float64) string {
	var b strings.Builder
	for i, v := range values {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%.1f,%.1f", p.x(p.seconds[i]), p.y(v, top))
	}
	return b.String()
}

// apart moves the names of curves that end close to each other, so that each
// can be read: down as far as needed, and up again from the axis.
func apart(ends []float64) []float64 {
	const line, lowest = 15, plotHeight - plotBottom + 4
	out := slices.Clone(ends)
	order := make([]int, len(out))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(ends[a], ends[b]) })
	for k, i := range order {
		if k > 0 {
			out[i] = max(out[i], out[order[k-1]]+line)
		}
	}
	limit := float64(lowest)
	for _, i := range slices.Backward(order) {
		out[i] = min(out[i], limit)
		limit = out[i] - line
	}
	return out
}

// Row is a moment in the table beside a plot.
type Row struct {
	Second string
	Values []string
}

// Names are those of the curves.
func (p *plot) Names() []string {
	var out []string
	for _, c := range p.curves {
		out = append(out, c.Name)
	}
	return out
}

// maxRows is how many moments the table beside a plot shows.
const maxRows = 60

// Rows is the plot as a table, for those who do not see it.
func (p *plot) Rows() []Row {
	var out []Row
	every := (len(p.seconds) + maxRows - 1) / maxRows
	for i := 0; i < len(p.seconds); i += max(every, 1) {
		r := Row{Second: fmt.Sprintf("%.0f s", p.seconds[i])}
		for _, c := range p.curves {
			r.Values = append(r.Values, p.write(c.values[i]))
		}
		out = append(out, r)
	}
	return out
}
